FROM apache/spark:4.0.0 AS spark
USER root
WORKDIR /job
COPY target/scala-2.13/job-assembly-*.jar job.jar
ENV SPARK_CONF="--conf spark.sql.shuffle.partitions=200 \
--conf spark.serializer=org.apache.spark.serializer.KryoSerializer"
USER spark
ENTRYPOINT ["/bin/sh", "-c", "/opt/spark/bin/spark-submit $SPARK_CONF job.jar \"$@\"", "--"]
