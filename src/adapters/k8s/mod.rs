//! Kubernetes behind `ports::Cluster` and `ports::Lock`.
//!
//! [`Connection`] is a way to an API server, [`KubeCluster`] one group's view of it, [`KubeLock`] the Lease that keeps
//! a second run away. Requests follow the nodes in flight: nodes, budgets and `DaemonSets` are listed and watched once,
//! pods only on nodes that are wanted.

mod act;
mod announce;
mod answer;
mod bearer;
mod budget_pods;
mod client;
mod cluster;
mod convert;
mod find;
mod follow;
mod kinds;
mod lock;
mod look;
mod names;
mod node_cache;
mod pods;
mod proxy;
mod rights;
mod trouble;
mod volumes;

pub use bearer::{FreshToken, TokenSource};
pub use client::{Connection, Endpoint};
pub use cluster::{KubeCluster, Pace, Scope, Seen};
pub use lock::KubeLock;
pub use rights::{Need, Objects, Place, RIGHTS, Right};
