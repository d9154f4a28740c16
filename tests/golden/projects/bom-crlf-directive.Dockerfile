# escape=`
FROM alpine:3.22
RUN echo one `
 && echo two
