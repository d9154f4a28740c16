FROM osixia/openldap:1.5.0
ENV LDAP_ORGANISATION="Example Org." LDAP_DOMAIN='example.org' LDAP_BASE_DN=dc=example,dc=org
COPY bootstrap.ldif /container/service/slapd/assets/config/bootstrap/ldif/50-bootstrap.ldif
