ARG DBT=1.10
FROM python:3.12-slim AS dbt-base
ARG DBT
RUN pip install --no-cache-dir "dbt-core~=${DBT}.0" dbt-postgres
WORKDIR /usr/app
COPY dbt_project.yml packages.yml ./
RUN dbt deps
COPY models/ models/
COPY macros/ macros/
ENTRYPOINT ["dbt"]
CMD ["build", "--profiles-dir", "/secrets"]
