FROM ubuntu:22.04
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update; apt-get install -y curl git ; curl -L --output /usr/local/bin/gitlab-runner https://example.org/gitlab-runner-linux-amd64 ; chmod +x /usr/local/bin/gitlab-runner
RUN useradd --comment 'GitLab Runner' --create-home gitlab-runner --shell /bin/bash
VOLUME /etc/gitlab-runner /home/gitlab-runner
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/usr/local/bin/gitlab-runner"]
CMD ["run", "--user=gitlab-runner", "--working-directory=/home/gitlab-runner"]
