FROM debian:13-slim
ARG UID=1000 GID=1000
RUN groupadd -g "${GID}" me && useradd -lm -u "${UID}" -g me me \
 && install -d -m 0700 -o me -g me /run/me
COPY --chown=${UID}:${GID} --chmod=u=rwx,go=rx bin/ /home/me/bin/
USER ${UID}:${GID}
ENV HOME=/home/me PATH=/home/me/bin:${PATH}
ENTRYPOINT ["entry"]
