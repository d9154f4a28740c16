FROM haproxy:3.2-alpine
USER root
RUN apk add --no-cache openssl \
 && mkdir -p /usr/local/etc/haproxy/certs \
 && openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj '/CN=localhost' \
      -keyout /tmp/k.pem -out /tmp/c.pem \
 && cat /tmp/c.pem /tmp/k.pem > /usr/local/etc/haproxy/certs/site.pem && rm /tmp/*.pem
USER haproxy
COPY haproxy.cfg /usr/local/etc/haproxy/haproxy.cfg
STOPSIGNAL SIGUSR1
