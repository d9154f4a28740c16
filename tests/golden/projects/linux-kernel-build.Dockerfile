FROM debian:13 AS kernel
ARG KERNEL=6.12.40
RUN apt-get update && apt-get install -y --no-install-recommends \
    bc bison build-essential flex libelf-dev libssl-dev xz-utils wget ca-certificates
WORKDIR /usr/src
RUN wget -qO- https://example.org/linux/v${KERNEL%%.*}.x/linux-${KERNEL}.tar.xz | tar xJ --strip-components=1
COPY kernel.config .config
RUN make olddefconfig && make -j"$(nproc)" bzImage
FROM scratch
COPY --from=kernel /usr/src/arch/x86/boot/bzImage /vmlinuz
