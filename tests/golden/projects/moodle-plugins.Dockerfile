FROM bitnami/moodle:5
LABEL maintainer "Learning <lms@example.org>"
USER 0
RUN install_packages vim
RUN sed -i -r 's/#LoadModule ratelimit_module/LoadModule ratelimit_module/' /opt/bitnami/apache/conf/httpd.conf
ENV APACHE_HTTP_PORT_NUMBER=8181
ENV APACHE_HTTPS_PORT_NUMBER=8143
EXPOSE ${APACHE_HTTP_PORT_NUMBER} ${APACHE_HTTPS_PORT_NUMBER}
USER 1001
