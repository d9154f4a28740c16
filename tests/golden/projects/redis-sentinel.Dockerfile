FROM redis:8-alpine
COPY --chown=redis:redis <<EOF /etc/redis/sentinel.conf
port 26379
sentinel monitor main redis-main 6379 2
sentinel down-after-milliseconds main 5000
EOF
EXPOSE 26379
ENTRYPOINT ["redis-sentinel"]
CMD ["/etc/redis/sentinel.conf"]
