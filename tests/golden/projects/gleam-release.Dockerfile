FROM erlang:27.1-alpine AS build
COPY --from=registry.example.com/gleam-lang/gleam:v1.11.1-erlang-alpine /bin/gleam /bin/gleam
COPY . /app/
RUN cd /app && gleam export erlang-shipment
FROM erlang:27.1-alpine
RUN addgroup --system webuser && adduser --system webuser -g webuser
COPY --from=build /app/build/erlang-shipment /app
VOLUME /app/data
LABEL org.opencontainers.image.description="A Gleam web application"
WORKDIR /app
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["run"]
