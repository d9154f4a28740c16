FROM rust:1.88
RUN rustup component add llvm-tools rust-src && rustup target add thumbv7em-none-eabihf
RUN apt-get update && apt-get install -y --no-install-recommends \
        gdb-multiarch \
        libudev-dev   \
        # The programmer's rules are not needed in a container.
        openocd       \
        pkg-config    \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /firmware
CMD ["cargo", "build", "--release"]
