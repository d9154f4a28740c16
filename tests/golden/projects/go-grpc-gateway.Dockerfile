# syntax=docker/dockerfile:1.7
FROM golang:1.24-alpine AS tools
RUN apk add --no-cache protobuf protobuf-dev git
RUN go install example.org/protoc-gen-thing@v1.2.3

FROM tools AS generate
WORKDIR /proto
COPY proto/*.proto ./
RUN mkdir -p /gen && protoc -I . --go_out=/gen *.proto

FROM tools AS build
WORKDIR /src
COPY . .
COPY --from=generate /gen ./gen
RUN go build -o /gateway ./cmd/gateway

FROM alpine:3.22
RUN addgroup -S app && adduser -S -G app app
COPY --from=build /gateway /usr/bin/gateway
COPY --chmod=0644 config/default.yaml /etc/gateway/config.yaml
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s --retries=4 \
    CMD ["/usr/bin/gateway", "health"]
USER app
ENTRYPOINT ["/usr/bin/gateway"]
