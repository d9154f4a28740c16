FROM texlive/texlive:latest-medium AS pdf
WORKDIR /paper
COPY *.tex *.bib figures/ ./
RUN latexmk -pdf -interaction=nonstopmode -halt-on-error main.tex
FROM scratch
COPY --from=pdf /paper/main.pdf /
