FROM node:24-alpine
RUN mkdir -p /usr/src/app
WORKDIR /usr/src/app
ONBUILD ARG NODE_ENV
ONBUILD ENV NODE_ENV $NODE_ENV
ONBUILD COPY package.json package-lock.json* ./
ONBUILD RUN npm ci && npm cache clean --force
ONBUILD COPY . /usr/src/app
ONBUILD HEALTHCHECK --interval=5s CMD wget -qO- http://localhost:3000/ || exit 1
CMD [ "npm", "start" ]
