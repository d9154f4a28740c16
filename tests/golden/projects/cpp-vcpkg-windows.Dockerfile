# escape=`
ARG BASE=ltsc2019
FROM registry.example.com/windows/servercore:${BASE}
SHELL ["cmd", "/S", "/C"]
ADD https://example.org/vs_buildtools.exe C:\TEMP\vs_buildtools.exe
RUN C:\TEMP\vs_buildtools.exe --quiet --wait --norestart --nocache `
    --installPath C:\BuildTools `
    --add Microsoft.VisualStudio.Workload.VCTools `
    # Not the old toolset.
    --remove Microsoft.VisualStudio.Component.Windows10SDK.10240 `
 || IF "%ERRORLEVEL%"=="3010" EXIT 0
ENTRYPOINT ["C:\\BuildTools\\Common7\\Tools\\VsDevCmd.bat", "&&", "powershell.exe", "-NoLogo"]
