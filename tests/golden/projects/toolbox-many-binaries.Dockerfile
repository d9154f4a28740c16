FROM alpine/helm:3.18.4 AS helm
FROM mikefarah/yq:4 AS yq
FROM derailed/k9s:v0.50.9 AS k9s
FROM alpine:3.22
COPY --from=helm /usr/bin/helm /usr/local/bin/
COPY --from=yq   /usr/bin/yq   /usr/local/bin/
COPY --from=k9s  /bin/k9s      /usr/local/bin/
RUN for tool in helm yq k9s; do command -v $tool; done
ENTRYPOINT []
CMD ["sh", "-l"]
