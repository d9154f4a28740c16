FROM voidlinux/voidlinux-musl
RUN xbps-install -Suy xbps && xbps-install -Suy && xbps-install -y nodejs
COPY app.js /
CMD ["node", "/app.js"]
