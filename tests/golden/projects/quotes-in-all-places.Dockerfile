FROM "alpine:3.22" AS q
ENV A="it's" B='say "hi"' C="a'b\"c" D=a"b c"d'e f'
LABEL "a.b"='c' 'd.e'="f"
WORKDIR "/with 'single' quotes"
ARG X="a b" Y='c d'
RUN echo "$A $B $C $D ${X} ${Y}"
VOLUME "/v1" '/v2'
USER "nobody"
CMD ["echo", "it's", "\"quoted\""]
