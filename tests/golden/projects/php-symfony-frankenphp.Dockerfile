#syntax=docker/dockerfile:1
FROM dunglas/frankenphp:1-php8.4 AS upstream
FROM upstream AS base
WORKDIR /app
VOLUME /app/var/
# persistent / runtime deps
RUN <<-EOF
	apt-get update
	apt-get install -y --no-install-recommends acl file gettext git
	rm -rf /var/lib/apt/lists/*
EOF
ENV COMPOSER_ALLOW_SUPERUSER=1
ENV PHP_INI_SCAN_DIR=":$PHP_INI_DIR/app.conf.d"
COPY --link --chmod=755 docker/entrypoint.sh /usr/local/bin/entrypoint
HEALTHCHECK --start-period=60s CMD curl -f http://localhost:2019/metrics || exit 1
ENTRYPOINT ["entrypoint"]
FROM base AS dev
ENV APP_ENV=dev XDEBUG_MODE=off
CMD [ "frankenphp", "run", "--watch" ]
FROM base AS prod
ENV APP_ENV=prod
COPY --link . ./
CMD [ "frankenphp", "run" ]
