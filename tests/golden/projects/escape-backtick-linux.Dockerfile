#escape=`
FROM ubuntu:24.04
ENV SEPARATOR="\" GRAVE="``"
RUN echo a\b `
 && echo c `
    # still a comment
 && echo d
COPY a` b.txt /
