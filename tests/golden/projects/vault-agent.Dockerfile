FROM hashicorp/vault:1.20
COPY --chown=vault:vault agent.hcl /vault/config/agent.hcl
COPY <<-'TPL' /vault/templates/db.ctmpl
	{{ with secret "database/creds/app" -}}
	user={{ .Data.username }}
	password={{ .Data.password }}
	{{- end }}
	TPL
ENTRYPOINT ["vault", "agent", "-config=/vault/config/agent.hcl"]
