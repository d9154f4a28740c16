FROM i386/debian:12
RUN dpkg --add-architecture amd64 && apt-get update \
 && apt-get install -y --no-install-recommends wine xvfb && rm -rf /var/lib/apt/lists/*
ENV WINEDEBUG=-all WINEPREFIX=/wine DISPLAY=:0
RUN xvfb-run wineboot --init
COPY ["Setup File.exe", "C:/Setup.exe"]
CMD ["wine", "C:\\Setup.exe", "/S"]
