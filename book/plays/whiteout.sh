cat > Dockerfile <<'END'
FROM alpine:3.20
RUN echo secret > /etc/key && echo kept > /etc/kept
RUN rm /etc/key
END
coracle build -t app:v1 .
