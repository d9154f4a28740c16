FROM ruby:3.2
ARG BUNDLE_WITHOUT=${BUNDLE_WITHOUT:-test:development}
WORKDIR /app
ADD Gemfile .
ADD Gemfile.lock .
RUN bundle config set without "${BUNDLE_WITHOUT}" && bundle install -j4 --retry 3
ADD . .
STOPSIGNAL SIGTERM
CMD bundle exec puma -C config/puma.rb
