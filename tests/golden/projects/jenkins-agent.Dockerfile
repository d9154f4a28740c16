FROM jenkins/inbound-agent:latest-jdk21
USER root
ARG docker_gid=998
RUN groupadd -g ${docker_gid} docker && usermod -aG docker jenkins
COPY --from=docker:28-cli /usr/local/bin/docker /usr/local/bin/
COPY --from=docker/buildx-bin:0.25 /buildx /usr/libexec/docker/cli-plugins/docker-buildx
USER jenkins
