FROM caddy:2-alpine AS none
HEALTHCHECK NONE
FROM caddy:2-alpine AS shell
HEALTHCHECK --interval=1m --timeout=10s --start-period=1m30s --start-interval=500ms --retries=10 \
  CMD wget -q --spider "http://localhost:${PORT:-80}/" || exit 1
FROM caddy:2-alpine
HEALTHCHECK --interval=0s --timeout=1.5h CMD ["wget", "-q", "--spider", "http://localhost/"]
