FROM grafana/grafana:12.0.2
ENV GF_AUTH_ANONYMOUS_ENABLED=true GF_SECURITY_ALLOW_EMBEDDING=true
COPY provisioning/ /etc/grafana/provisioning/
COPY --chown=472:0 dashboards/*.json /var/lib/grafana/dashboards/
