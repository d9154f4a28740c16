FROM hashicorp/consul-template:0.41 AS ct
FROM nginx:alpine
COPY --from=ct /bin/consul-template /usr/local/bin/
ADD templates /etc/templates
CMD consul-template -template "/etc/templates/site.ctmpl:/etc/nginx/conf.d/default.conf:nginx -s reload" & exec nginx -g "daemon off;"
