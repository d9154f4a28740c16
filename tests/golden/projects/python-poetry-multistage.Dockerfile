FROM python:3.13-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=off

FROM base AS build
ENV POETRY_VERSION=2.1.0 POETRY_HOME=/opt/poetry POETRY_VIRTUALENVS_IN_PROJECT=true
RUN python -m venv $POETRY_HOME && $POETRY_HOME/bin/pip install "poetry==${POETRY_VERSION}"
WORKDIR /app
COPY pyproject.toml poetry.lock ./
RUN $POETRY_HOME/bin/poetry install --only main --no-root --no-interaction

FROM base AS final
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
COPY . .
ENV PATH="/app/.venv/bin:$PATH"
STOPSIGNAL SIGINT
CMD ["gunicorn", "-b", "0.0.0.0:8000", "shop.wsgi"]
