FROM python:3.8
MAINTAINER platform team <platform@example.org>
ENV LANG C.UTF-8
ENV LC_ALL C.UTF-8
RUN pip install pipenv
RUN mkdir /app
WORKDIR /app
ADD Pipfile Pipfile.lock /app/
RUN pipenv install --system --deploy
ADD . /app
EXPOSE 5000
CMD flask run --host=0.0.0.0
