FROM openapitools/openapi-generator-cli:v7.14.0 AS gen
COPY openapi.yaml /in/
RUN /usr/local/bin/docker-entrypoint.sh generate -i /in/openapi.yaml -g typescript-axios -o /out \
    --additional-properties=supportsES6=true,npmName=@example/client
FROM scratch
COPY --from=gen /out /
