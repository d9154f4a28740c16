FROM debian:13-slim
LABEL org.opencontainers.image.vendor="Example Org" org.opencontainers.image.base.name="debian:13-slim"
SHELL ["/bin/bash", "-euxo", "pipefail", "-c"]
RUN apt-get update; \
    apt-get -y upgrade; \
    apt-get -y install --no-install-recommends ca-certificates tzdata; \
    apt-get -y autoremove --purge; \
    rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/*; \
    find / -xdev -perm /6000 -type f -exec chmod a-s {} \; || true
RUN sed -i 's#^root:.*#root:x:0:0:root:/root:/usr/sbin/nologin#' /etc/passwd
ENV TZ=UTC
USER 65534
