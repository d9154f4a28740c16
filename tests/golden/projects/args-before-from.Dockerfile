ARG REGISTRY=registry.example.com
ARG TEAM=payments
ARG FLAVOUR
ARG TAG=${FLAVOUR:-standard}-2025.08
FROM ${REGISTRY}/${TEAM}/base:${TAG}
ARG TAG
LABEL base.tag=$TAG
COPY app /opt/app
CMD ["/opt/app/run"]
