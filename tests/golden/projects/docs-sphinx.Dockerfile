FROM sphinxdoc/sphinx:8.2.3 AS html
WORKDIR /docs
COPY docs/requirements.txt .
RUN pip install -r requirements.txt
COPY docs/ .
RUN make html SPHINXOPTS="-W --keep-going"
FROM scratch AS export
COPY --from=html /docs/_build/html /
