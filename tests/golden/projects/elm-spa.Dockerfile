FROM node:20-alpine AS elm
WORKDIR /elm
COPY elm.json package*.json ./
RUN npm ci
COPY src src
COPY public public
RUN npx elm make src/Main.elm --optimize --output=public/main.js
FROM busybox:1.37-musl
COPY --from=elm /elm/public /www
EXPOSE 8043
CMD ["httpd", "-f", "-v", "-p", "8043", "-h", "/www"]
