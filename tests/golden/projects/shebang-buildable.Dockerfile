#!/usr/bin/env -S docker build . --file
# syntax=docker/dockerfile:1
FROM alpine:3.22
RUN apk add --no-cache figlet
ENTRYPOINT ["figlet"]
