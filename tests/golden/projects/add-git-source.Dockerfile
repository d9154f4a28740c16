# syntax=docker/dockerfile:1
FROM alpine:3.22 AS fetch
ADD --keep-git-dir=true https://example.org/team/project.git#v1.2.0 /src
ADD git@git.example.org:team/other.git#main:docs /docs
