ARG PG_MAJOR=17
FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
RUN apt-get update && apt-get install -y build-essential "postgresql-server-dev-${PG_MAJOR}"
COPY . /tmp/vector
RUN cd /tmp/vector && make clean && make OPTFLAGS="" && make install DESTDIR=/out

FROM postgres:${PG_MAJOR}-bookworm
COPY --from=build /out/ /
COPY initdb/*.sql /docker-entrypoint-initdb.d/
HEALTHCHECK --interval=10s --timeout=5s --start-interval=1s --retries=5 \
  CMD pg_isready -U "${POSTGRES_USER:-postgres}" || exit 1
