FROM debian:13
ADD archive.tar /unpacked/
ADD --chown=0:0 https://example.org/files/a.bin https://example.org/files/b.bin /files/
ADD --unpack=false archive.tar /kept/
ADD ["one file.txt", "/with space/"]
ADD dir /dir
ADD --link --exclude=*.o build/ /build/
