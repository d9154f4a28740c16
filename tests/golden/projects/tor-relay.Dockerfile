FROM alpine:edge
RUN apk --no-cache add tor@testing || apk --no-cache add tor
COPY --chown=tor:tor torrc /etc/tor/torrc
USER tor
EXPOSE 9001 9030
VOLUME ["/var/lib/tor"]
ENTRYPOINT ["tor", "-f", "/etc/tor/torrc"]
