//! Dockerfiles: text becomes typed instructions with byte spans. Parsing never fails.
