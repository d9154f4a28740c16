FROM python:3.11-slim-bullseye

ARG DJANGO_ENV=production
ENV DJANGO_ENV=${DJANGO_ENV} \
  # Python's own:
  PYTHONFAULTHANDLER=1 \
  PYTHONHASHSEED=random \
  # And pip's:
  PIP_DISABLE_PIP_VERSION_CHECK=on \
  PIP_DEFAULT_TIMEOUT=100

RUN apt-get update && apt-get install --no-install-recommends -y \
  bash \
  build-essential \
  gettext \
  libpq-dev \
  && apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /code
COPY ./requirements /code/requirements
RUN pip install -r requirements/${DJANGO_ENV}.txt
COPY ./docker/entrypoint.sh /docker-entrypoint.sh
RUN chmod +x '/docker-entrypoint.sh'
COPY . /code
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["python", "manage.py", "runserver", "0.0.0.0:8000"]
