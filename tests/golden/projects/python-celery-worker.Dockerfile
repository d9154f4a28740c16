FROM python:3.12-alpine AS wheels
RUN apk add --no-cache gcc musl-dev libffi-dev postgresql-dev
WORKDIR /wheels
COPY requirements*.txt ./
RUN for f in requirements*.txt; do pip wheel -r "$f" -w . || exit 1; done

FROM python:3.12-alpine
RUN apk add --no-cache libpq && adduser -D worker
COPY --from=wheels /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links=/wheels /wheels/*.whl && rm -rf /wheels
COPY --chown=worker:worker tasks /home/worker/tasks
USER worker
WORKDIR /home/worker
ENV C_FORCE_ROOT=
CMD celery -A tasks worker --loglevel=${LOG_LEVEL:-info} --concurrency=${WORKERS:-2}
