//! A Dockerfile that does too much again and again, and a better one.

// ANCHOR: bad
/// It works, and whoever changes a line of the program waits for everything.
pub const BAD: &str = "\
FROM python:3.12
WORKDIR /usr/local/app
COPY src ./src
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
RUN useradd app
USER app
CMD [\"uvicorn\", \"app.main:app\", \"--host\", \"0.0.0.0\", \"--port\", \"8080\"]
";
// ANCHOR_END: bad

/// The same steps, in an order in which a changed program costs one step.
pub fn better() -> &'static str {
    // TASK 4: The same lines, in a better order.
    "\
FROM python:3.12
RUN useradd app
WORKDIR /usr/local/app
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY src ./src
USER app
CMD [\"uvicorn\", \"app.main:app\", \"--host\", \"0.0.0.0\", \"--port\", \"8080\"]
"
    // TASK_END
}
