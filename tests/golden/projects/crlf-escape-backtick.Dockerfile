# escape=`
FROM registry.example.com/windows/servercore:ltsc2025
RUN net user app /add `
 && net localgroup Administrators app /add
WORKDIR C:\app
COPY dist\ .
CMD ["C:\\app\\run.cmd"]
