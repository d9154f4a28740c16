FROM barichello/godot-ci:4.4.1 AS export
WORKDIR /game
COPY . .
RUN mkdir -p /out && godot --headless --export-release "Linux/X11" /out/game.x86_64
FROM debian:12-slim
RUN useradd -m player
USER player
COPY --from=export --chown=player /out /home/player/game
CMD ["/home/player/game/game.x86_64", "--headless"]
