# Build a static binary, ship nothing else.
FROM rust:1.90-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /code
COPY Cargo.toml Cargo.lock ./
# An empty main lets cargo compile all dependencies in a layer of their own.
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release \
    && rm -r src
COPY src src
RUN touch src/main.rs && cargo build --release --locked

FROM scratch
LABEL org.opencontainers.image.title="pebble" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /code/target/release/pebble /pebble
ENTRYPOINT [ "/pebble" ]
