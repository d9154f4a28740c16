FROM alpine:3.22 AS hints
ADD https://example.org/domain/named.root /root.hints
FROM alpine:3.22
RUN apk add --no-cache unbound drill
COPY --from=hints --chmod=644 /root.hints /etc/unbound/root.hints
COPY unbound.conf /etc/unbound/unbound.conf
EXPOSE 53/tcp 53/udp
HEALTHCHECK --interval=1m30s --timeout=500ms CMD drill @127.0.0.1 example.org || exit 1
CMD ["unbound", "-d", "-c", "/etc/unbound/unbound.conf"]
