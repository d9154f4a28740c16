//! Sockets under the registry protocol: the only place where it meets the network.

pub mod client;
#[cfg(feature = "serve")]
mod pace;
#[cfg(feature = "serve")]
pub mod server;
