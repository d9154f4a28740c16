FROM golang:1.24-alpine AS k6
RUN go install example.org/xk6/cmd/xk6@latest && xk6 build --with example.org/xk6-sql --output /k6
FROM alpine:3.21
COPY --from=k6 /k6 /usr/bin/k6
COPY scripts /scripts
ENTRYPOINT ["k6", "run"]
CMD ["/scripts/smoke.js"]
