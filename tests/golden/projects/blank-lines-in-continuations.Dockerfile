FROM debian:13
RUN apt-get update \

 && apt-get install -y \

      git \


      make

ENV A=1 \

    B=2
CMD ["make"]
