//! Running: from an image's config and a person's options to an OCI runtime specification.
