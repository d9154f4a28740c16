# syntax=docker/dockerfile:1
FROM alpine:3.22
WORKDIR /w
COPY a.txt b.txt ./
COPY *.md docs/
COPY file?.c file[0-9].h src/
COPY ["with space.txt", "also with.txt", "/spaced dir/"]
COPY dir/ /dir
COPY --chown=1:2 --chmod=640 secret.conf /etc/
COPY --chown=daemon --link . .
COPY . /everything/
