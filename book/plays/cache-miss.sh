cat > requirements.txt <<'END'
flask
END
cat > app.py <<'END'
print("hello")
END
cat > Dockerfile <<'END'
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY app.py .
CMD ["python3", "app.py"]
END
coracle build -t app:v1 .
echo 'print("hello again")' > app.py
