FROM debian:stable-slim AS build
RUN apt-get update && apt-get -y install gfortran libopenblas-dev make
COPY Makefile *.f90 /src/
RUN make -C /src FFLAGS="-O3 -march=x86-64-v3"
FROM debian:stable-slim
RUN apt-get update && apt-get -y install libgfortran5 libopenblas0 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/solve /usr/bin/
ENV OMP_NUM_THREADS=2
ENTRYPOINT ["solve"]
