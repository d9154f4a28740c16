FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /home/node/app
COPY --chown=node:node package*.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY --chown=node:node . .
USER node
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=2s CMD node healthcheck.js || exit 1
CMD ["node", "server.js"]
