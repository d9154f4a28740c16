FROM ubuntu:24.04
RUN apt-get update \
	&& apt-get install -y gnucobol4 \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /batch
COPY src/*.cbl copybooks/*.cpy ./
RUN cobc -x -o nightly nightly.cbl
VOLUME [ "/batch/in", "/batch/out" ]
CMD [ "./nightly" ]
