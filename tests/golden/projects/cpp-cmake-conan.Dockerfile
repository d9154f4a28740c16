FROM gcc:14 AS build
RUN apt-get update && apt-get install -y cmake ninja-build python3-pip && \
    pip install --break-system-packages conan && conan profile detect
WORKDIR /src
COPY conanfile.txt .
RUN conan install . --output-folder=build --build=missing
COPY CMakeLists.txt .
COPY include/ include/
COPY src/ src/
COPY tests/ tests/
RUN cmake -S . -B build -G Ninja -DCMAKE_TOOLCHAIN_FILE=build/conan_toolchain.cmake \
        -DCMAKE_BUILD_TYPE=Release \
 && cmake --build build \
 && ctest --test-dir build --output-on-failure
FROM gcr-mirror/cc:nonroot
COPY --from=build /src/build/bin/solver /solver
ENTRYPOINT ["/solver"]
