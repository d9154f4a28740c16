FROM julia:1.11-bookworm
ENV JULIA_DEPOT_PATH=/opt/julia JULIA_NUM_THREADS=auto
WORKDIR /work
COPY Project.toml Manifest.toml ./
RUN julia --project=. -e 'using Pkg; Pkg.instantiate(); Pkg.precompile()'
COPY notebooks/ notebooks/
ENTRYPOINT ["julia", "--project=."]
CMD ["-e", "using Pluto; Pluto.run(host=\"0.0.0.0\", launch_browser=false)"]
