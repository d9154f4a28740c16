FROM haskell:9.8-slim AS build
WORKDIR /opt/build
COPY stack.yaml package.yaml stack.yaml.lock ./
RUN stack build --only-dependencies --system-ghc
COPY . .
RUN stack install --local-bin-path /usr/local/bin --system-ghc --ghc-options '-O2 -fPIC'
FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/pandoc-lite /usr/local/bin/
ENTRYPOINT ["pandoc-lite"]
