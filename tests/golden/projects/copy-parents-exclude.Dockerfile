# syntax=docker/dockerfile:1.20
FROM busybox AS pick
WORKDIR /repo
COPY --parents packages/*/package.json package.json ./
COPY --parents --exclude=**/testdata --exclude=*.md ./src/lib/ .
FROM busybox
COPY --from=pick --exclude=*.log /repo /repo
