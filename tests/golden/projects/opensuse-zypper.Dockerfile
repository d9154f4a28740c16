FROM opensuse/leap:15.6
RUN zypper --non-interactive refresh \
 && zypper --non-interactive install -y --no-recommends nginx php8-fpm \
 && zypper clean --all
ADD site.tar.xz /srv/www/htdocs/
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
