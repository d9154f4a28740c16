FROM espressif/idf:v5.4
ARG TARGET=esp32s3
WORKDIR /project
COPY . .
RUN . $IDF_PATH/export.sh && idf.py set-target ${TARGET} && idf.py build
FROM scratch AS firmware
COPY --from=0 /project/build/*.bin /project/build/flasher_args.json /
