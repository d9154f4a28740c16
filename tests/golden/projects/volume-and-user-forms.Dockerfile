FROM postgres:17
ARG DATA=/data
VOLUME ${DATA} /logs "/quoted"
VOLUME ["/one", "/two"]
USER postgres
USER 1000:1000
USER ${APP_USER:-nobody}:nogroup
WORKDIR /srv
WORKDIR sub/dir
WORKDIR ../other
WORKDIR "$DATA/with space"
