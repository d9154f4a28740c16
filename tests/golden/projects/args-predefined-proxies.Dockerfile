FROM alpine:3.22
# Proxies need no declaration, and do not end up in the image.
RUN echo "via ${HTTP_PROXY:-nothing}" && apk add --no-cache curl
ARG NO_PROXY=localhost,127.0.0.1
RUN curl --version > /curl.txt
