FROM rocker/shiny-verse:4.5.1
RUN apt-get update -qq && apt-get -y --no-install-recommends install \
    libxml2-dev \
    libcairo2-dev \
    libssh2-1-dev
RUN R -e "install.packages(c('plotly', 'DT'), repos='https://example.org/cran')"
COPY ./app/ /srv/shiny-server/
RUN chown -R shiny:shiny /srv/shiny-server
USER shiny
EXPOSE 3838
CMD ["/usr/bin/shiny-server"]
