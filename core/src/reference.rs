//! References: what people type to name an image.
