FROM openresty/openresty:1.27.1.2-alpine-fat
RUN luarocks install lua-resty-http 0.17.2 && luarocks install lua-resty-jwt
COPY nginx.conf /usr/local/openresty/nginx/conf/nginx.conf
COPY lua/ /usr/local/openresty/lualib/app/
RUN ["/usr/local/openresty/bin/openresty", "-t"]
