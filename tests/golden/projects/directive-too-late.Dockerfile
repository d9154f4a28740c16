# Just a comment, so that what follows is one, too.
# escape=`
# syntax=nothing/here
FROM alpine:3.22
RUN echo a \
    b
