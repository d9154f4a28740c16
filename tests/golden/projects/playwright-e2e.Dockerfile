FROM node:24-bookworm
WORKDIR /e2e
COPY package.json package-lock.json playwright.config.ts ./
RUN npm ci && npx playwright install --with-deps chromium
COPY tests ./tests
ENV CI=1
ENTRYPOINT ["npx", "playwright", "test"]
CMD ["--reporter=line"]
