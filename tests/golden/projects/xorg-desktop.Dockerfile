FROM ubuntu:24.04
ENV DISPLAY=:1 VNC_PORT=5901 \
    RESOLUTION=1280x720x24
RUN apt-get update && apt-get install -y --no-install-recommends tigervnc-standalone-server xfce4 xfce4-terminal dbus-x11 \
    && apt-get purge -y pm-utils xscreensaver* && apt-get clean
COPY --chmod=0755 startup.sh /usr/bin/
EXPOSE $VNC_PORT
HEALTHCHECK --timeout=3s CMD ["sh", "-c", "ss -ltn | grep -q \":$VNC_PORT\""]
ENTRYPOINT ["/usr/bin/startup.sh"]
