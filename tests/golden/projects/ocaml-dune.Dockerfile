FROM ocaml/opam:debian-12-ocaml-5.3 AS build
WORKDIR /home/opam/src
COPY --chown=opam *.opam ./
RUN opam install . --deps-only --with-test
COPY --chown=opam . .
RUN eval $(opam env) && dune build @install && dune install --prefix=/home/opam/out
FROM debian:12-slim
COPY --from=build /home/opam/out/bin /usr/local/bin
CMD ["mirage-web"]
