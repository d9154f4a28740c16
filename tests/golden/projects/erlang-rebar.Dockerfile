FROM erlang:27-alpine AS rel
RUN mkdir /buildroot
WORKDIR /buildroot
COPY . widget
WORKDIR widget
RUN rebar3 as prod release
FROM alpine:3.21
RUN apk add --no-cache openssl && apk add --no-cache ncurses-libs libstdc++
COPY --from=rel /buildroot/widget/_build/prod/rel/widget /widget
EXPOSE 8080 8443
CMD ["/widget/bin/widget", "foreground"]
