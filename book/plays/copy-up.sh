cat > Dockerfile <<'END'
FROM alpine:3.20
RUN mkdir /data && echo one > /data/a && echo two > /data/b
END
coracle build -t app:v1 .
coracle run --name box app:v1 sh -c 'echo more >> /data/a; rm /data/b; touch /data/c'
