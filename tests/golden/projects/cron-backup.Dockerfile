FROM alpine:3.19
RUN apk add --no-cache postgresql16-client restic
COPY backup.sh /etc/periodic/daily/backup
RUN chmod +x /etc/periodic/daily/backup; \
    echo '30 3 * * * /etc/periodic/daily/backup' | crontab -
CMD ["crond", "-f", "-l", "8"]
