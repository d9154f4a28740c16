FROM tomcat:10.1-jdk17
LABEL maintainer="ops@example.org"
RUN rm -rf webapps/*
COPY target/shop.war webapps/ROOT.war
COPY conf/server.xml conf/context.xml conf/
ENV CATALINA_OPTS="-Xms256m -Xmx512m" \
    JPDA_ADDRESS="*:8000"
EXPOSE 8080 8000
HEALTHCHECK --start-period=60s CMD curl --fail --silent http://localhost:8080/status || exit 1
CMD ["catalina.sh", "jpda", "run"]
