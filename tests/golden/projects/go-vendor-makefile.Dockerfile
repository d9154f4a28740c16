FROM golang:1.25-bookworm AS builder
ENV GOFLAGS=-mod=vendor \
    CGO_ENABLED=1
RUN apt-get update \
 && apt-get install -y --no-install-recommends libsqlite3-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN make clean build

FROM debian:bookworm-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends libsqlite3-0 tini && \
    rm -rf /var/lib/apt/lists/*
COPY --from=builder --chown=10001:10001 /build/bin/collector /usr/local/bin/collector
VOLUME /var/lib/collector
USER 10001
ENTRYPOINT ["tini", "--", "collector"]
