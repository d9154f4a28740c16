FROM eclipse-temurin:21-jre
ARG MC=1.21.8
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 --chown=1000:1000 https://example.org/versions/${MC}/server.jar /srv/server.jar
RUN echo eula=true > /srv/eula.txt
WORKDIR /srv/world
VOLUME /srv/world
EXPOSE 25565 25575/tcp
STOPSIGNAL 2
ENV MEMORY=2G
CMD java -Xmx${MEMORY} -jar /srv/server.jar nogui
