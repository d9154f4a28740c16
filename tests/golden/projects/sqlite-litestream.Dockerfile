FROM litestream/litestream:0.3 AS litestream
FROM python:3.13-alpine
COPY --from=litestream /usr/local/bin/litestream /usr/local/bin/
COPY litestream.yml /etc/
COPY app.py /
VOLUME /data
CMD ["litestream", "replicate", "-exec", "python /app.py"]
