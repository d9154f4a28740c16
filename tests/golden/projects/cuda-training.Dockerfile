ARG CUDA=12.8.1
FROM nvidia/cuda:${CUDA}-cudnn-devel-ubuntu24.04 AS devel
ENV DEBIAN_FRONTEND=noninteractive \
    TORCH_CUDA_ARCH_LIST="8.0;8.6;9.0+PTX" \
    MAX_JOBS=4
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && \
    apt-get update && apt-get install -y python3-dev python3-venv ninja-build
RUN python3 -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements.lock .
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.lock
COPY kernels/ /src/kernels/
RUN pip wheel --no-deps -w /wheels /src/kernels

FROM nvidia/cuda:${CUDA}-cudnn-runtime-ubuntu24.04
COPY --from=devel /venv /venv
RUN --mount=type=bind,from=devel,source=/wheels,target=/wheels /venv/bin/pip install /wheels/*.whl
COPY train.py /workspace/
WORKDIR /workspace
ENTRYPOINT ["/venv/bin/python", "train.py"]
CMD ["--epochs", "10"]
