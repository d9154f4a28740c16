FROM alpine:3.21 AS tool
RUN echo old > /v
FROM alpine:3.22 AS tool
RUN echo new > /v
FROM scratch
COPY --from=tool /v /v
