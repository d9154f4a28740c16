FROM debian:bullseye-slim
LABEL maintainer="net@example.org" version="1.4"
RUN apt-get update -y && apt-get install -y openvpn openvpn-auth-ldap easy-rsa; apt-get clean
ADD ./files/server.conf /etc/openvpn/server.conf
ADD ./files/ /root/
EXPOSE 1194/udp
CMD /bin/sh -c "mkdir -p /dev/net && mknod /dev/net/tun c 10 200; openvpn --config /etc/openvpn/server.conf"
