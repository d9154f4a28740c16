# syntax=docker/dockerfile:1.7
ARG VERSION=v12.4.1-rc3
FROM debian:${VERSION#v*-}
ARG VERSION
ENV FULL=${VERSION#v}
ENV MAJOR=${FULL%%.*} SUFFIX=${FULL##*-} NUMBERS=${FULL%-*}
ENV DASHED=${NUMBERS//./-} FIRST=${NUMBERS/./_}
LABEL version=${FULL} major=${MAJOR} pre=${SUFFIX} dashed=${DASHED} first=${FIRST}
