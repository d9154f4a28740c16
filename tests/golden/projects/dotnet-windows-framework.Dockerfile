# escape=`
FROM registry.example.com/dotnet/framework/sdk:4.8-windowsservercore-ltsc2022 AS build
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';"]
WORKDIR C:\src
COPY *.sln .
COPY App\*.csproj App\
RUN nuget restore
COPY . .
RUN msbuild App\App.csproj `
    /p:Configuration=Release `
    /p:OutputPath=C:\out

FROM registry.example.com/dotnet/framework/aspnet:4.8
WORKDIR C:\inetpub\wwwroot
COPY --from=build C:\out .
