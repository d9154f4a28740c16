FROM golang:1.25
WORKDIR /a
COPY . .
RUN go build -o /a/one .
FROM rust:1.90
WORKDIR /b
COPY . .
RUN cargo build --release
FROM scratch
COPY --from=0 /a/one /one
COPY --from=1 /b/target/release/two /two
