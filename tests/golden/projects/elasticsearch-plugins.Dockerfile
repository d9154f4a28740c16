ARG VERSION
FROM elastic/elasticsearch:${VERSION:-9.0.3}
RUN for plugin in analysis-icu analysis-phonetic; do \
      bin/elasticsearch-plugin install --batch "$plugin"; \
    done
COPY --chown=elasticsearch:root config/elasticsearch.yml config/
