FROM debian:12
ARG PACKER_VERSION=1.13.1
RUN <<EOF
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends qemu-system-x86 qemu-utils unzip wget ca-certificates
wget -q -O /tmp/p.zip "https://example.org/packer_${PACKER_VERSION}_linux_amd64.zip"
unzip /tmp/p.zip -d /usr/local/bin
rm -rf /tmp/p.zip /var/lib/apt/lists/*
EOF
WORKDIR /templates
CMD ["packer", "build", "."]
