FROM squidfunk/mkdocs-material:9.6 AS build
COPY . /docs
RUN mkdocs build --strict --site-dir /site
FROM nginxinc/nginx-unprivileged:1.28-alpine
COPY --from=build /site /usr/share/nginx/html
EXPOSE 8080
