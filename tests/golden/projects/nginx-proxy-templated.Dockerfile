FROM nginx:1.29.0
ENV UPSTREAM=app:8080 \
    SERVER_NAME=_ \
    NGINX_ENVSUBST_OUTPUT_DIR=/etc/nginx
COPY nginx.conf.template /etc/nginx/templates/nginx.conf.template
STOPSIGNAL SIGQUIT
EXPOSE 80 443/tcp 443/udp
