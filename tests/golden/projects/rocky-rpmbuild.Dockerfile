FROM rockylinux:9 AS rpm
RUN dnf install -y rpm-build rpmdevtools gcc make && dnf clean all
RUN useradd -m builder
USER builder
RUN rpmdev-setuptree
COPY --chown=builder sources/*.tar.gz /home/builder/rpmbuild/SOURCES/
COPY --chown=builder package.spec /home/builder/rpmbuild/SPECS/
RUN rpmbuild -ba ~/rpmbuild/SPECS/package.spec
FROM scratch
COPY --from=rpm /home/builder/rpmbuild/RPMS/ /
