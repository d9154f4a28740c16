# syntax=docker/dockerfile:1
FROM python:3.13-alpine
ONBUILD COPY --chown=1000:1000 . /srv
ONBUILD RUN <<EOF
set -e
python -m compileall /srv
EOF
ONBUILD USER 1000
