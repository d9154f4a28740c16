FROM hugomods/hugo:exts AS hugo
ARG HUGO_BASEURL=
ENV HUGO_BASEURL=${HUGO_BASEURL}
COPY . /src
RUN hugo --minify --enableGitInfo
FROM caddy:2.10
COPY Caddyfile /etc/caddy/Caddyfile
COPY --from=hugo /src/public /srv
