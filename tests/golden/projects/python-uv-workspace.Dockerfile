# syntax=docker/dockerfile:1
FROM python:3.13-slim
COPY --from=registry.example.com/tools/uv:0.8 /uv /uvx /bin/
WORKDIR /srv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    uv sync --frozen --no-install-project --no-dev
COPY . /srv
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev
ENV PATH=/srv/.venv/bin:$PATH
CMD ["fastapi", "run", "app/main.py"]
