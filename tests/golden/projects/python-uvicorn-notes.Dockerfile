FROM python:3.12
WORKDIR /usr/local/app

# What the program needs
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

# The program
COPY src ./src
EXPOSE 5000

# Not as root
RUN useradd app
USER app

CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8080"]
