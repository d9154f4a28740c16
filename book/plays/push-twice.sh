cat > Dockerfile <<'END'
FROM alpine:3.20
RUN echo one > /version
END
coracle build -t localhost:5000/app:v1 .
coracle push localhost:5000/app:v1
echo 'RUN echo two > /version' >> Dockerfile
coracle build -t localhost:5000/app:v2 .
coracle push localhost:5000/app:v2
