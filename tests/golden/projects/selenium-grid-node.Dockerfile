FROM selenium/node-base:4.34
USER root
RUN apt-get update -qqy && apt-get -qqy install firefox-esr && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --chown="${SEL_UID}:${SEL_GID}" wrap.sh /opt/bin/
USER 1200
