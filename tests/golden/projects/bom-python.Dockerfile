FROM python:3.13
COPY . /app
CMD ["python", "/app/main.py"]
