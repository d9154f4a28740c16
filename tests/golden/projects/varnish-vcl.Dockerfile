FROM varnish:7.7
ENV VARNISH_SIZE 1G
COPY default.vcl /etc/varnish/
USER root
RUN set -e; \
    \
    apt-get update; \
    # The modules need their headers only here.
    apt-get -y install git $VMOD_DEPS; \
    \
    rm -rf /var/lib/apt/lists/*
USER varnish
