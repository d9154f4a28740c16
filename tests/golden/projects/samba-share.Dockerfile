FROM alpine:3.21
RUN apk add --no-cache samba tini && adduser -D -H share && printf 'pw\npw\n' | smbpasswd -a -s share
COPY <<CONF /etc/samba/smb.conf
[global]
  map to guest = Bad User
[share]
  path = /share
  read only = no
CONF
VOLUME /share
EXPOSE 445/tcp
ENTRYPOINT ["/sbin/tini", "--", "smbd", "-F", "--no-process-group"]
