FROM alpine:3.22
ENV TSFILE=tailscale_1.84.0_amd64.tgz
RUN wget -q https://example.org/stable/${TSFILE} && tar xzf ${TSFILE} --strip-components=1 && rm ${TSFILE}
COPY start.sh /start.sh
CMD ["/start.sh"]
