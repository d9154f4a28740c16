//! The registry: the protocol by which images move from one machine to another.
//!
//! A *registry* is a server that keeps and shares images; a *repository* is a collection of
//! related images on it. Both sides of the protocol are here, and neither knows what a socket
//! is: they speak through [`http::Transport`].
//!
//! ```text
//! pull  push  copy  login       what people ask for
//! manifests  blobs  upload      what is moved
//! client  identity  exchange    one request seen through: who one is, redirects, trying again
//! forward                       the same for whoever has a request only: a mirror
//! auth  hosts  limits  error    values: challenges and tokens, addresses, words
//! http  net                     a request and a response, and who carries them
//! ```
//!
//! Source: the [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md).

mod address;
pub mod auth;
mod blobs;
pub mod client;
pub mod copy;
pub mod error;
mod exchange;
pub mod forward;
pub mod hosts;
pub mod http;
mod identity;
mod limits;
pub mod login;
mod manifests;
#[cfg(feature = "net")]
pub mod net;
mod parallel;
pub mod pull;
pub mod push;
pub mod server;
#[cfg(test)]
mod tests;
mod upload;

pub use upload::Pieces;
