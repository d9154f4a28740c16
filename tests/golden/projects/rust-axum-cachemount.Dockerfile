# syntax=docker/dockerfile:1
FROM rust:1.91-bookworm AS build
ARG PROFILE=release
WORKDIR /src
RUN --mount=type=bind,source=src,target=src \
    --mount=type=bind,source=Cargo.toml,target=Cargo.toml \
    --mount=type=bind,source=Cargo.lock,target=Cargo.lock \
    --mount=type=cache,target=/src/target/,sharing=locked \
    --mount=type=cache,target=/usr/local/cargo/registry/ \
    <<EOF
set -e
cargo build --locked --profile "$PROFILE"
cp ./target/$PROFILE/web /bin/web
EOF

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home web
COPY --from=build /bin/web /bin/
USER web
EXPOSE 3000
CMD ["/bin/web"]
