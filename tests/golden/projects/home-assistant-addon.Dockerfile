ARG BUILD_FROM=ghcr-mirror/home-assistant/amd64-base:latest
FROM ${BUILD_FROM}
ENV LANG C.UTF-8
ARG BUILD_ARCH BUILD_DATE BUILD_REF BUILD_VERSION
RUN apk add --no-cache mosquitto-clients jq
COPY rootfs /
LABEL \
    io.hass.name="${BUILD_NAME:-Bridge}" \
    io.hass.arch="${BUILD_ARCH}" \
    io.hass.type="addon" \
    io.hass.version=${BUILD_VERSION} \
    org.label-schema.build-date=${BUILD_DATE}
CMD [ "/run.sh" ]
