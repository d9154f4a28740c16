# syntax=docker/dockerfile:1
ARG NODE=24
FROM node:${NODE}-alpine AS pnpm
ENV PNPM_HOME=/pnpm
ENV PATH="$PNPM_HOME:$PATH"
RUN corepack enable

FROM pnpm AS pruned
WORKDIR /repo
COPY . .
RUN pnpm dlx turbo prune web --docker

FROM pnpm AS build
WORKDIR /repo
COPY --from=pruned /repo/out/json/ .
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install --frozen-lockfile
COPY --from=pruned /repo/out/full/ .
RUN pnpm turbo run build --filter=web...

FROM pnpm AS web
WORKDIR /srv
COPY --from=build /repo/apps/web/dist ./dist
CMD [ "node", "dist/index.js" ]
