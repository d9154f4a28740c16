FROM ubuntu:20.04
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y nginx php-fpm supervisor
RUN { \
  echo '[supervisord]'; \
  echo 'nodaemon=true'; \
  echo '[program:nginx]'; \
  echo "command=nginx -g 'daemon off;'"; \
} > /etc/supervisor/conf.d/all.conf
EXPOSE 80
CMD ["/usr/bin/supervisord"]
