FROM gitea/gitea:1.24-rootless
USER root
COPY --chown=git:git custom/ /var/lib/gitea/custom/
RUN chmod -R u=rwX,go=rX /var/lib/gitea/custom
USER 1000:1000
