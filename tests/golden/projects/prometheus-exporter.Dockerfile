FROM golang:1.25 AS b
WORKDIR /x
COPY . /x
RUN make promu build

FROM busybox:glibc
ARG ARCH="amd64"
ARG OS="linux"
COPY --from=b /x/.build/${OS}-${ARCH}/queue_exporter /bin/queue_exporter
EXPOSE     9187
USER       nobody
ENTRYPOINT [ "/bin/queue_exporter" ]
