FROM scratch
LABEL org.opencontainers.image.created="2025-08-01T00:00:00Z" \
      org.opencontainers.image.authors="Ada, Grace & Co." \
      org.opencontainers.image.url="https://example.org/?a=b&c=d#e" \
      org.opencontainers.image.ref.name="main" \
      # A comment between labels
      org.opencontainers.image.version="1.0" \
      com.example.empty= \
      com.example.json='{"a": [1, 2, {"b": null}]}'
LABEL description "old form"
COPY LICENSE /
