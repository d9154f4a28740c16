cat > page.txt <<'END'
version one
END
cat > Dockerfile <<'END'
FROM alpine:3.20
RUN apk add --no-cache curl
COPY page.txt /page.txt
CMD ["cat", "/page.txt"]
END
coracle build -t page:v1 .
echo version two > page.txt
coracle build -t page:v2 .
