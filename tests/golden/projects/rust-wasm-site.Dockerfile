FROM rust:1.90 AS wasm
RUN rustup target add wasm32-unknown-unknown
WORKDIR /site
COPY Cargo.* ./
COPY crates ./crates
RUN cargo build --release --target wasm32-unknown-unknown

FROM node:24-slim AS bundle
WORKDIR /site
COPY package.json package-lock.json esbuild.mjs ./
RUN npm ci
COPY web ./web
COPY --from=wasm /site/target/wasm32-unknown-unknown/release/*.wasm ./web/
RUN node esbuild.mjs --minify

FROM nginx:1.29-alpine
COPY --from=bundle /site/dist /usr/share/nginx/html
COPY <<'CONF' /etc/nginx/conf.d/default.conf
server {
    listen 80;
    root /usr/share/nginx/html;
    types { application/wasm wasm; }
    location / { try_files $uri $uri/ /index.html; }
}
CONF
