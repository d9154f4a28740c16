FROM debian:12-slim
RUN echo "postfix postfix/mailname string mail.example.org" | debconf-set-selections && \
    echo "postfix postfix/main_mailer_type string 'Internet Site'" | debconf-set-selections && \
    apt-get update && apt-get install -y --no-install-recommends postfix && rm -rf /var/lib/apt/lists/*
COPY main.cf master.cf /etc/postfix/
RUN ["postmap", "/etc/postfix/main.cf"]
EXPOSE 25 465 587
CMD ["postfix", "start-fg"]
