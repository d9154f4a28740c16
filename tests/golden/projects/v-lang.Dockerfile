FROM thevlang/vlang:alpine AS b
COPY . /src
RUN cd /src && v -prod -cflags '--static' . -o /blog
FROM scratch
COPY --from=b /blog /blog
CMD ["/blog"]
