ARG TARGETARCH=amd64
FROM alpine:3.22 AS stage-amd64
ENV LEVEL=v3
FROM alpine:3.22 AS stage-arm64
ENV LEVEL=neon
FROM stage-${TARGETARCH} AS final
RUN echo $LEVEL > /level
