FROM clojure:temurin-21-tools-deps AS build
WORKDIR /usr/src/app
COPY deps.edn /usr/src/app/
RUN clojure -P
COPY . .
RUN clojure -T:build uber
FROM eclipse-temurin:21-jre-alpine
COPY --from=build /usr/src/app/target/*-standalone.jar /app.jar
CMD ["java", "-jar", "/app.jar"]
