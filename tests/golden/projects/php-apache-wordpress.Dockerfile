FROM php:8.3-apache
RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends ghostscript libjpeg-dev libpng-dev; \
	rm -rf /var/lib/apt/lists/*
RUN set -ex; \
	docker-php-ext-configure gd --with-jpeg; \
	docker-php-ext-install -j "$(nproc)" gd mysqli exif
RUN a2enmod rewrite expires headers; \
	{ \
		echo 'ServerTokens Prod'; \
		echo 'ServerSignature Off'; \
	} > /etc/apache2/conf-available/hardening.conf; \
	a2enconf hardening
VOLUME /var/www/html
COPY wp-content/ /var/www/html/wp-content/
COPY docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["apache2-foreground"]
