FROM clfoundation/sbcl:2.2.4
RUN set -x \
  && ln -s /app /root/quicklisp-local \
  && sbcl --non-interactive --load /root/quicklisp/setup.lisp --eval '(ql:quickload :hunchentoot)'
COPY ["system.asd", "main.lisp", "/app/"]
CMD ["sbcl", "--load", "/app/main.lisp"]
