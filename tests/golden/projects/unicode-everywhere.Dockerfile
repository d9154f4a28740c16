# Größe, 大きさ, размер
FROM alpine:3.22 AS groesse
LABEL title="Schöne Grüße" 説明="日本語" emoji="🚣"
ENV GRUSS="¡Hola, señor!" 
RUN echo "žluťoučký kůň" > /cs.txt
COPY résumé.pdf ./données/
WORKDIR /ユーザー
CMD ["echo", "naïve \ud83d\udea3"]
