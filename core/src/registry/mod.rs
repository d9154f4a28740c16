//! The registry: the protocol by which images move from one machine to another.
//!
//! A *registry* is a server that keeps and shares images; a *repository* is a collection of
//! related images on it. Both sides of the protocol are here, and neither knows what a socket
//! is: they speak through [`http::Transport`].
//!
//! Source: the [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md).

pub mod http;
