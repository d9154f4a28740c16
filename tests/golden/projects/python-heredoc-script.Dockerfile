# syntax=docker/dockerfile:1
FROM python:3.13-alpine
RUN <<EOT
#!/usr/bin/env python3
import json, pathlib
pathlib.Path("/etc/about.json").write_text(json.dumps({"made": True}))
EOT
COPY <<"SCRIPT" /usr/local/bin/about
#!/bin/sh
# $HOME stays as it is: the word is quoted.
echo "home is $HOME"; cat /etc/about.json
SCRIPT
RUN chmod 755 /usr/local/bin/about
CMD ["about"]
