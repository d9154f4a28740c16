# escape=`
# Tools for a build agent.
FROM registry.example.com/windows/servercore:ltsc2022
SHELL ["cmd", "/S", "/C"]
ENV TOOLS="C:\Program Files\Tools"
RUN powershell -NoProfile -Command `
      Set-ExecutionPolicy Bypass -Scope Process -Force; `
      iex ((New-Object Net.WebClient).DownloadString('https://example.org/install.ps1'))
RUN choco install -y git `
    && choco install -y cmake --installargs 'ADD_CMAKE_TO_PATH=System'
COPY agent.exe C:\agent\
WORKDIR C:\agent
USER ContainerAdministrator
ENTRYPOINT ["C:\\agent\\agent.exe", "--config", "C:\\agent\\agent.json"]
