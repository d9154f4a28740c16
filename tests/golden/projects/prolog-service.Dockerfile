FROM swipl:9.3.9
COPY . /app
EXPOSE 80
CMD ["swipl", "/app/server.pl", "--user=daemon", "--no-fork", "--port=80"]
