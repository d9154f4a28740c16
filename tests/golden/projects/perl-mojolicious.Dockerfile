FROM perl:5.42-slim
WORKDIR /opt/app
COPY cpanfile cpanfile.snapshot* ./
RUN cpanm --notest --installdeps . && rm -rf ~/.cpanm
COPY lib lib
COPY script script
COPY templates templates
USER nobody:nogroup
EXPOSE 3000
CMD ["perl", "script/site", "prefork", "-m", "production"]
