FROM confluentinc/cp-kafka-connect-base:7.9.2
ENV CONNECT_PLUGIN_PATH="/usr/share/java,/usr/share/confluent-hub-components"
RUN confluent-hub install --no-prompt debezium/debezium-connector-postgresql:2.5.4 \
 && confluent-hub install --no-prompt confluentinc/kafka-connect-s3:10.6.7
USER root
COPY connectors/ /etc/connectors/
USER appuser
EXPOSE 8083
