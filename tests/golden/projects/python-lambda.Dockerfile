FROM registry.example.com/lambda/python:3.12
COPY requirements.txt ${LAMBDA_TASK_ROOT:-/var/task}
RUN pip install -r requirements.txt --target "${LAMBDA_TASK_ROOT}"
COPY handler.py ${LAMBDA_TASK_ROOT:-/var/task}
CMD [ "handler.main" ]
