FROM mongo:8
COPY --chmod=0400 --chown=999:999 keyfile /etc/mongo/keyfile
COPY init.js /docker-entrypoint-initdb.d/
CMD ["mongod", "--replSet", "rs0", "--keyFile", "/etc/mongo/keyfile", "--bind_ip_all"]
