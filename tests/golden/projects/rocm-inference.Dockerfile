FROM rocm/pytorch:rocm6.4_ubuntu24.04_py3.12
USER root
ENV HSA_OVERRIDE_GFX_VERSION=11.0.0
WORKDIR /llm
COPY . .
RUN cmake -B build -DGGML_HIP=ON -DAMDGPU_TARGETS="gfx1100;gfx1101" && cmake --build build -j 4
VOLUME /models
EXPOSE 8080
ENTRYPOINT ["./build/bin/llama-server", "--host", "0.0.0.0", "-m"]
CMD ["/models/default.gguf"]
