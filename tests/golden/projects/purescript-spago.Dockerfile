FROM node:18 AS build
WORKDIR /ps
RUN npm install -g purescript@0.15.15 spago@0.21.0
COPY packages.dhall spago.dhall ./
RUN spago install
COPY . ./
RUN spago bundle-app --main Main --to index.js
FROM node:18-slim
COPY --from=build /ps/index.js /
CMD ["node", "/index.js"]
