FROM envoyproxy/envoy:distroless-v1.34.1
COPY --link envoy.yaml /etc/envoy/envoy.yaml
EXPOSE 9901 10000-10010/tcp
CMD ["-c", "/etc/envoy/envoy.yaml", "--log-level", "warn", "--concurrency", "2"]
