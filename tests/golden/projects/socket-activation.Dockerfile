FROM alpine:3.22 AS build
RUN apk add --no-cache gcc musl-dev
COPY main.c .
RUN gcc -static -Wall -Wextra -o /activated main.c
FROM scratch
COPY --from=build --chown=65534:65534 --chmod=0555 /activated /activated
STOPSIGNAL SIGHUP
ENTRYPOINT ["/activated"]
