ARG JDK=17.0.15_6
ARG SBT=1.11.2
FROM sbtscala/scala-sbt:eclipse-temurin-${JDK}_${SBT}_3.7.1 AS stage
WORKDIR /w
COPY build.sbt .
COPY project/*.sbt project/build.properties project/
RUN sbt update
COPY . .
RUN sbt stage
FROM eclipse-temurin:17-jre
COPY --from=stage /w/target/universal/stage /srv
EXPOSE 9000
ENTRYPOINT ["/srv/bin/play-app", "-Dpidfile.path=/dev/null"]
