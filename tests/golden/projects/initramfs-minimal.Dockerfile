FROM alpine:3.22 AS root
RUN apk add --no-cache busybox-static cpio
RUN mkdir -p /r/bin /r/dev /r/proc /r/sys && cp /bin/busybox.static /r/bin/busybox
COPY --chmod=755 <<'INIT' /r/init
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
exec sh
INIT
RUN cd /r && find . | cpio -o -H newc | gzip > /initramfs.gz
FROM scratch
COPY --from=root /initramfs.gz /
