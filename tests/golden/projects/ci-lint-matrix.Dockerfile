# syntax=docker/dockerfile:1
FROM alpine:3.22 AS src
WORKDIR /src
COPY . .

FROM koalaman/shellcheck-alpine:v0.10.0 AS shellcheck
RUN --mount=type=bind,from=src,source=/src,target=/src \
    find /src -name '*.sh' -print0 | xargs -0 -r shellcheck

FROM davidanson/markdownlint-cli2:v0.18.1 AS markdown
RUN --mount=from=src,source=/src,target=/workdir ["markdownlint-cli2", "**/*.md"]

FROM cytopia/yamllint:1 AS yaml
RUN --mount=from=src,source=/src,target=/data,rw yamllint .

FROM scratch AS all
COPY --from=shellcheck /etc/alpine-release /ok/shellcheck
COPY --from=markdown /etc/passwd /ok/markdown
COPY --from=yaml /etc/passwd /ok/yaml
