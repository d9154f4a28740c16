FROM bufbuild/buf:1.55 AS buf
FROM alpine:3.22
COPY --from=buf /usr/local/bin/buf /usr/local/bin/
WORKDIR /p
COPY buf.yaml buf.gen.yaml ./
COPY proto proto
RUN buf lint && buf format --diff --exit-code
