FROM debian:13 AS qemu
RUN apt-get update && apt-get install -y qemu-user-static
FROM --platform=linux/arm64/v8 debian:13
COPY --from=qemu /usr/bin/qemu-aarch64-static /usr/bin/
RUN uname -m && dpkg --print-architecture
