# escape = `
# syntax = docker/dockerfile:1
FROM golang:1.25-nanoserver AS build
WORKDIR C:\gopath\src\service
COPY . .
RUN go build -o C:\service.exe .
FROM registry.example.com/windows/nanoserver:ltsc2022
COPY --from=build C:\service.exe C:\service.exe
EXPOSE 8080
CMD [ "C:\\service.exe" ]
