# syntax=docker/dockerfile:1
FROM debian:13 AS tools
RUN mkdir /opt/t && echo echo t > /opt/t/t
FROM debian:13
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked,id=apt,mode=0755,uid=0,gid=0 \
    --mount=type=tmpfs,target=/tmp,size=64m \
    apt-get update
RUN --mount=type=bind,from=tools,source=/opt/t,target=/t,ro sh /t/t
RUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=cfg,target=/run/cfg,mode=0400,required test -s /run/cfg
RUN --mount=type=ssh,id=default,required=false ssh-add -L || true
RUN --network=none --mount=target=/ctx ls /ctx
RUN --network=host true
RUN --security=sandbox true
