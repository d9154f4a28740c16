FROM python:3.13
RUN <<EOF
#!/usr/bin/env bash
set -o pipefail
for i in {1..3}; do echo "$i"; done | tee /numbers
EOF
RUN python3 <<EOF
print("through standard input")
EOF
RUN <<EOF bash -eu
echo "$BASH_VERSION"
EOF
RUN 3<<EOF cat <&3
by number
EOF
