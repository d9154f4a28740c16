FROM debian:stable-slim
ARG USER=factorio GROUP=factorio PUID=845 PGID=845
ENV PORT=34197 \
    RCON_PORT=27015 \
    SAVES=/factorio/saves \
    CONFIG=/factorio/config \
    USER="$USER" \
    GROUP="$GROUP"
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
RUN addgroup --system --gid "$PGID" "$GROUP" \
    && adduser --system --uid "$PUID" --gid "$PGID" --no-create-home --disabled-password --shell /bin/sh "$USER" \
    && mkdir -p /opt /factorio \
    && chown -R "$USER":"$GROUP" /opt /factorio
COPY files/*.sh /
VOLUME /factorio
EXPOSE $PORT/udp $RCON_PORT/tcp
ENTRYPOINT ["/docker-entrypoint.sh"]
