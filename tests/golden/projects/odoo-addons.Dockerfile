FROM odoo:18.0
USER root
COPY --chown=odoo:odoo addons /mnt/extra-addons
COPY ./odoo.conf /etc/odoo/
RUN pip3 install --break-system-packages -r /mnt/extra-addons/requirements.txt || true
USER odoo
