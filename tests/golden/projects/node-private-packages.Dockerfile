# syntax=docker/dockerfile:1.4
FROM node:20 AS install
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc,required=true npm ci
FROM node:20-slim
WORKDIR /app
COPY --from=install /app/node_modules node_modules
COPY index.js .
CMD ["index.js"]
