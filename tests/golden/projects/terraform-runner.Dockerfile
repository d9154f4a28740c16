FROM hashicorp/terraform:1.12 AS terraform
FROM alpine:3.22
ARG KUBECTL=v1.33.2
ARG TARGETARCH
COPY --from=terraform /bin/terraform /usr/local/bin/terraform
RUN apk add --no-cache bash curl git jq openssh-client && \
    curl -fsSLo /usr/local/bin/kubectl "https://example.org/release/${KUBECTL}/bin/linux/${TARGETARCH}/kubectl" && \
    chmod +x /usr/local/bin/kubectl
WORKDIR /work
ENTRYPOINT ["/bin/bash"]
