FROM ruby:3.3-alpine AS jekyll
RUN apk add --no-cache build-base gcc cmake git
RUN gem install jekyll -v 4.4.1 \
 && gem install bundler
EXPOSE 4000
WORKDIR /site
ENTRYPOINT [ "jekyll" ]
CMD [ "--help" ]

FROM jekyll AS site
COPY Gemfile* ./
RUN bundle install
COPY . .
RUN bundle exec jekyll build --destination /out
FROM caddy:2-alpine
COPY --from=1 /out /usr/share/caddy
