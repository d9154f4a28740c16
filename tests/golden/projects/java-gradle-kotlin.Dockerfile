FROM gradle:8.14-jdk21 AS build
USER gradle
WORKDIR /home/gradle/project
COPY --chown=gradle:gradle settings.gradle.kts build.gradle.kts gradle.properties ./
COPY --chown=gradle:gradle gradle gradle
RUN gradle --no-daemon dependencies > /dev/null
COPY --chown=gradle:gradle src src
RUN gradle --no-daemon installDist

FROM amazoncorretto:21-alpine
COPY --from=build /home/gradle/project/build/install/service /opt/service
WORKDIR /opt/service
EXPOSE 7000
CMD ["bin/service"]
