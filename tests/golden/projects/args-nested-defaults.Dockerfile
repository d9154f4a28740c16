ARG A
ARG B=${A:-one}
ARG C=${B:+two}
ARG D=${C:-${B:-${A:-three}}}
FROM busybox:${D:-1.37}
ARG D
ENV WHICH="${D}" LITERAL="\${D}" TAIL=${D}-tail
RUN echo "${WHICH} ${LITERAL} ${TAIL}"
