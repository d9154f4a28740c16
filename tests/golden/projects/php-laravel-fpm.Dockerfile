FROM php:8.4-fpm-alpine AS base
RUN apk add --no-cache icu-dev libzip-dev oniguruma-dev \
    && docker-php-ext-install -j"$(nproc)" bcmath intl opcache pdo_mysql zip
COPY docker/php.ini $PHP_INI_DIR/conf.d/99-app.ini

FROM composer:2 AS vendor
WORKDIR /app
COPY composer.json composer.lock ./
RUN composer install --no-dev --no-scripts --prefer-dist --no-interaction

FROM node:22 AS assets
WORKDIR /app
COPY package.json package-lock.json vite.config.js ./
RUN npm ci
COPY resources resources
RUN npm run build

FROM base
WORKDIR /var/www
COPY . .
COPY --from=vendor /app/vendor vendor
COPY --from=assets /app/public/build public/build
RUN chown -R www-data:www-data storage bootstrap/cache
USER www-data
