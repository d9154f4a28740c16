FROM fedora:42
ENV container=docker
RUN dnf -y install systemd httpd && dnf clean all && \
    (cd /lib/systemd/system/sysinit.target.wants/; for i in *; do [ $i == systemd-tmpfiles-setup.service ] || rm -f $i; done); \
    rm -f /lib/systemd/system/multi-user.target.wants/*; \
    systemctl enable httpd.service
VOLUME [ "/sys/fs/cgroup" ]
STOPSIGNAL SIGRTMIN+3
EXPOSE 80
CMD ["/usr/sbin/init"]
