FROM debian:12-slim
ARG S6_OVERLAY_VERSION=3.2.1.0
ADD https://example.org/s6/v${S6_OVERLAY_VERSION}/s6-overlay-noarch.tar.xz /tmp
ADD https://example.org/s6/v${S6_OVERLAY_VERSION}/s6-overlay-x86_64.tar.xz /tmp
RUN apt-get update && apt-get install -y xz-utils && \
    tar -C / -Jxpf /tmp/s6-overlay-noarch.tar.xz && tar -C / -Jxpf /tmp/s6-overlay-x86_64.tar.xz
COPY services.d/ /etc/services.d/
ENTRYPOINT ["/init"]
