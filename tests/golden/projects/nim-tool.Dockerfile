FROM nimlang/nim:2.2.4-alpine
WORKDIR /usr/src/app
COPY *.nimble ./
RUN nimble install -dy
COPY src src
RUN nim c -d:release --opt:size --out:/usr/bin/tool src/tool.nim
ENTRYPOINT ["tool"]
