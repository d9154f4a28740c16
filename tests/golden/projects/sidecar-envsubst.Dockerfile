FROM alpine:3.22
RUN apk add --no-cache gettext-envsubst
WORKDIR /templates
COPY *.tmpl .
# The shell expands at run time, the builder does not: this is RUN and CMD.
RUN for t in *.tmpl; do test -s "$t"; done
CMD for t in *.tmpl; do envsubst < "$t" > "/out/${t%.tmpl}"; done
