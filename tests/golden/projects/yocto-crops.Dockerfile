FROM crops/poky:debian-12
USER root
RUN apt-get update && apt-get install -y zstd lz4 liblz4-tool && rm -rf /var/lib/apt/lists/*
RUN echo "dash dash/sh boolean false" | debconf-set-selections && dpkg-reconfigure -p critical dash
USER usersetup
ENTRYPOINT ["/usr/bin/distro-entry.sh", "/usr/bin/dumb-init", "--", "/usr/bin/poky-entry.py"]
