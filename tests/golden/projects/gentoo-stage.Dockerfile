ARG PORTAGE=gentoo/portage:20250801
FROM ${PORTAGE} AS portage
FROM gentoo/stage3:20250801
COPY --from=portage /var/db/repos/gentoo /var/db/repos/gentoo
RUN emerge -qv www-servers/lighttpd
