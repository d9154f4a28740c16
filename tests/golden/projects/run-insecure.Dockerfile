# syntax=docker/dockerfile:1-labs
FROM debian:13
RUN --security=insecure mount -t tmpfs tmpfs /mnt
RUN --security=insecure <<EOF
cat /proc/self/status | grep CapEff
EOF
