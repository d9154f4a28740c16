FROM traefik:v3.4
COPY traefik.yml /etc/traefik/traefik.yml
COPY dynamic/ /etc/traefik/dynamic/
LABEL "traefik.enable"="false" com.example.role=edge
HEALTHCHECK NONE
