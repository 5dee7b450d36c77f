//! The Kubernetes adapter on the wire: what it sends, byte by byte, and what it makes of each answer.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod acts;
mod announce;
mod answers;
mod auth;
mod intent;
mod kubeconfig;
mod lock;
mod look;
mod mending;
mod rights;
mod server;
mod volumes;
mod watches;
