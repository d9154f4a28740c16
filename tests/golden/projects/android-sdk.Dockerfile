FROM eclipse-temurin:17-jdk
ARG SDK_TOOLS=13114758
ENV ANDROID_HOME=/opt/android-sdk
ENV PATH=${PATH}:${ANDROID_HOME}/cmdline-tools/latest/bin:${ANDROID_HOME}/platform-tools
RUN apt-get update && apt-get install -y --no-install-recommends unzip wget && rm -rf /var/lib/apt/lists/*
RUN mkdir -p ${ANDROID_HOME}/cmdline-tools \
 && wget -q https://example.org/android/commandlinetools-linux-${SDK_TOOLS}_latest.zip -O /tmp/t.zip \
 && unzip -q /tmp/t.zip -d ${ANDROID_HOME}/cmdline-tools \
 && mv ${ANDROID_HOME}/cmdline-tools/cmdline-tools ${ANDROID_HOME}/cmdline-tools/latest \
 && rm /tmp/t.zip
RUN yes | sdkmanager --licenses > /dev/null
RUN sdkmanager "platform-tools" "platforms;android-35" "build-tools;35.0.0"
WORKDIR /project
CMD ["./gradlew", "assembleDebug"]
