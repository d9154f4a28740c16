FROM alpine:3.22
COPY <<Dockerfile /nested/Dockerfile
FROM scratch
COPY \${NOTHING} /
RUN echo "this is text" \\
  && true
Dockerfile
COPY <<'EOF' /script.sh
cat <<INNER
RUN not an instruction
INNER
EOF
CMD ["sh", "/script.sh"]
