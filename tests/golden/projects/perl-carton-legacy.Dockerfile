FROM perl:5.20
maintainer "Web Group"
ADD . /srv
WORKDIR srv
RUN cpanm Carton && carton install --deployment
CMD carton exec -- plackup -p 5000
