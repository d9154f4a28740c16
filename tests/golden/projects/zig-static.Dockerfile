ARG ZIG=0.14.1
FROM alpine:3.22 AS zig
ARG ZIG
ADD --checksum=sha256:24aeeec8af16c381934a6cd7d95c807a8cb2cf7df9fa40d359aa884195c4716c \
    https://example.org/zig-x86_64-linux-${ZIG}.tar.xz /tmp/zig.tar.xz
RUN tar -C /usr/local -xf /tmp/zig.tar.xz && ln -s /usr/local/zig-*/zig /usr/local/bin/zig
WORKDIR /src
COPY build.zig build.zig.zon ./
COPY src/ src/
RUN zig build -Doptimize=ReleaseSafe -Dtarget=x86_64-linux-musl
FROM scratch
COPY --from=zig /src/zig-out/bin/ /bin/
CMD ["/bin/daemon"]
