cat > Dockerfile <<'END'
FROM alpine:3.20
WORKDIR /app
COPY greet.sh .
RUN chmod +x greet.sh
RUN echo "built for you" > note.txt
CMD ["./greet.sh"]
END
cat > greet.sh <<'END'
#!/bin/sh
echo "hello from a layer"
END
coracle build -t app:v1 .
