FROM alpine:3.22 AS site
RUN apk add --no-cache pandoc make
COPY Makefile *.md style.css template.html /site/
RUN make -C /site
FROM lipanski/docker-static-website:2.4.0
COPY --from=site /site/public/ .
COPY httpd.conf .
