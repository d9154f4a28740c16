FROM debian:13
RUN echo "a # is no comment here" ; echo 'nor # here'
RUN ["/bin/sh", "-c", "echo exec form"]
RUN [ -e /etc/passwd ] && echo 'a test, not an array'
RUN [ "x" = "x" ]
RUN { echo one; echo two; } > /both
RUN echo $(( 1 + 2 )) "$(date -u +%Y)" `uname -m` > /sums
RUN test -n "${HOME:?no home}" && printf '%s\n' "${PATH%%:*}"
RUN case "$(uname -m)" in x86_64) echo 64;; *) echo other;; esac
ENTRYPOINT exec top -b
