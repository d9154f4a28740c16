FROM debian:trixie AS build
RUN apt-get update && apt-get install -y autoconf automake libtool make gcc
COPY . /src
WORKDIR /src
RUN autoreconf -fi \
 && ./configure --prefix=/usr --sysconfdir=/etc \
 && make -j$(nproc) \
 && make DESTDIR=/dest install \
 && find /dest -type f -perm /111 -exec strip {} + || true
FROM debian:trixie-slim
COPY --from=build /dest/ /
