FROM condaforge/mambaforge:24.9.2-0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ARG ENV_NAME=lab
COPY environment.yml /tmp/
RUN mamba env create -n ${ENV_NAME} -f /tmp/environment.yml \
 && mamba clean -afy \
 && find /opt/conda -name '*.a' -delete \
 && echo "conda activate ${ENV_NAME}" >> ~/.bashrc
ENV PATH=/opt/conda/envs/${ENV_NAME}/bin:${PATH}
WORKDIR /notebooks
VOLUME ["/notebooks", "/data"]
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root"]
