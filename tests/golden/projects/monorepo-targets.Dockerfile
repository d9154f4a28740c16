ARG NODE_VERSION=24 PYTHON_VERSION=3.13
FROM node:${NODE_VERSION}-slim AS node-base
WORKDIR /repo
FROM python:${PYTHON_VERSION}-slim AS python-base
WORKDIR /repo

FROM node-base AS frontend
COPY frontend/package.json frontend/package-lock.json frontend/
RUN npm --prefix frontend ci
COPY frontend frontend
RUN npm --prefix frontend run build

FROM python-base AS backend
COPY backend/requirements.txt backend/
RUN pip install -r backend/requirements.txt
COPY backend backend

FROM backend AS production
COPY --from=frontend /repo/frontend/dist backend/static
WORKDIR backend
CMD ["python", "-m", "app"]
