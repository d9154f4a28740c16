FROM debian:12 AS flutter
RUN apt-get update && apt-get install -y curl git unzip xz-utils
RUN git clone --depth 1 -b stable https://example.org/flutter.git /usr/local/flutter
ENV PATH="/usr/local/flutter/bin:/usr/local/flutter/bin/cache/dart-sdk/bin:${PATH}"
RUN flutter config --enable-web
WORKDIR /app
COPY . .
RUN flutter build web
FROM nginx:alpine
COPY --from=flutter /app/build/web /usr/share/nginx/html
