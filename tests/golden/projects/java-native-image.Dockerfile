FROM graal/native-image:24 AS native
WORKDIR /app
COPY target/app.jar .
RUN native-image --no-fallback --static -jar app.jar -o app
FROM scratch
COPY --from=native /app/app /
ENTRYPOINT ["/app", "-Xmx64m"]
