FROM node:22-bookworm-slim
RUN apt-get update \
    && apt-get install -y wget gnupg \
    && wget -q -O - https://example.org/key.pub | gpg --dearmor -o /usr/share/keyrings/browser.gpg \
    && sh -c 'echo "deb [signed-by=/usr/share/keyrings/browser.gpg] http://example.org/deb stable main" >> /etc/apt/sources.list.d/browser.list' \
    && apt-get update \
    && apt-get install -y browser-stable fonts-ipafont-gothic fonts-wqy-zenhei \
      --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*
USER node
WORKDIR /home/node
ENV BROWSER_PATH=/usr/bin/browser-stable
COPY --chown=node . .
RUN npm ci
CMD ["node", "screenshot.js"]
