# syntax=docker/dockerfile:1
FROM node:24-alpine
WORKDIR /app
COPY package*.json ./
RUN npm ci \
    # What is needed for building goes again.
 && npm prune --omit=dev
COPY . .
COPY <<EOF /app/about.txt
made on Windows
EOF
CMD ["node", "index.js"]
