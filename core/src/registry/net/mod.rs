//! Sockets under the registry protocol: the only place where it meets the network.

pub mod client;
