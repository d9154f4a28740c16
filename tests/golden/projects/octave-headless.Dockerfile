FROM gnuoctave/octave:9.4.0
COPY scripts/*.m /scripts/
WORKDIR /scripts
ENTRYPOINT ["octave-cli", "--eval"]
CMD ["main"]
