FROM alpine:3.22 AS s0
ENV N=0
FROM s0 AS s1
ENV N=1
FROM s1 AS s2
ENV N=2
FROM s2 AS s3
ENV N=3
FROM s3 AS s4
RUN echo $N > /n
FROM s0 AS unused
RUN false
FROM s4
COPY --from=s2 /etc/alpine-release /from-two
CMD cat /n
