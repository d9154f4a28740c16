FROM busybox:1.37
COPY --from=nginx:1.29-alpine /etc/nginx/nginx.conf /nginx.conf
COPY --from=registry.example.com:5000/team/certs@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 /certs/ /etc/ssl/certs/
RUN --mount=from=golang:1.25,source=/usr/local/go,target=/go /go/bin/go version > /go-version
