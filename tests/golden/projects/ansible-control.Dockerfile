FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends \
      openssh-client sshpass git rsync && rm -rf /var/lib/apt/lists/*
COPY requirements.txt requirements.yml /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements.txt && \
    ansible-galaxy install -r /tmp/requirements.yml -p /usr/share/ansible/roles
ENV ANSIBLE_HOST_KEY_CHECKING=False \
    ANSIBLE_RETRY_FILES_ENABLED=False \
    ANSIBLE_FORCE_COLOR=1
WORKDIR /playbooks
ENTRYPOINT ["ansible-playbook"]
CMD ["--version"]
