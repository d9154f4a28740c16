# syntax=docker/dockerfile:1
FROM postgres:17-alpine AS template
ENV POSTGRES_PASSWORD=test PGDATA=/pg
COPY schema/*.sql /docker-entrypoint-initdb.d/
RUN --network=none <<EOF
set -e
echo 'trust' > /tmp/auth
docker-ensure-initdb.sh
EOF
FROM postgres:17-alpine
COPY --from=template --chown=70:70 /pg /pg
ENV PGDATA=/pg
