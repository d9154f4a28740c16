FROM scratch
ENV A=1
LABEL nothing="in here"
EXPOSE 1
VOLUME /v
CMD ["/none"]
