//! mngup upgrades a node group of an EKS cluster node by node and says why when it stands still.
//!
//! A pure core (`domain`, `plan`, `drain`, `engine`) looks at a snapshot and the time and says what it wants; a thin
//! shell (`app`) does it through ports, behind which stand Kubernetes and AWS (`adapters`) or a simulated world (`sim`).

pub mod adapters;
pub mod app;
pub mod cli;
pub mod diagnose;
pub mod domain;
pub mod drain;
pub mod engine;
pub mod forecast;
pub mod journal;
pub mod plan;
pub mod ports;
pub mod report;
pub mod sim;
