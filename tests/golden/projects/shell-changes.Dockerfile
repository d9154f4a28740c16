FROM mixed/tools:5
RUN echo default shell
SHELL ["/bin/bash", "-c"]
RUN shopt -s globstar && ls /**/*.conf
SHELL ["/usr/bin/env", "python3", "-c"]
RUN import sys; print(sys.version)
SHELL ["/bin/sh", "-e", "-c"]
RUN false || true
CMD exec serve
