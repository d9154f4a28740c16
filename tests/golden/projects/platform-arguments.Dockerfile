# syntax=docker/dockerfile:1
FROM --platform=$BUILDPLATFORM tonistiigi/xx:1.6.1 AS xx
FROM --platform=$BUILDPLATFORM alpine:3.22 AS build
COPY --from=xx / /
ARG BUILDPLATFORM
ARG TARGETPLATFORM
ARG TARGETVARIANT
RUN echo "on $BUILDPLATFORM for $TARGETPLATFORM${TARGETVARIANT:+ variant }$TARGETVARIANT" > /how
RUN apk add clang lld && xx-apk add gcc musl-dev
COPY hello.c .
RUN xx-clang -static -o /hello hello.c && xx-verify /hello
FROM scratch
COPY --from=build /hello /how /
ENTRYPOINT ["/hello"]
