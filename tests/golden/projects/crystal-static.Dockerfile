FROM crystallang/crystal:1.16-alpine AS c
WORKDIR /x
COPY shard.yml shard.lock ./
RUN shards install --production
COPY src/ ./src/
RUN shards build --release --static --no-debug && strip bin/kemalapp
FROM scratch
COPY --from=c /x/bin/kemalapp /
EXPOSE 3000/tcp
CMD ["/kemalapp", "-b", "0.0.0.0"]
