FROM golang:1.25
WORKDIR /go/src/app
ONBUILD COPY go.mod go.sum ./
ONBUILD RUN go mod download
ONBUILD COPY . .
ONBUILD RUN go build -v -o /usr/local/bin/app ./...
ONBUILD CMD ["app"]
