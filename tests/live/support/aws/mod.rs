//! The AWS side of a cluster, played over HTTP for the real SDK clients.
//!
//! EKS, Auto Scaling, EC2, STS and CloudTrail answer in the shapes that AWS documents; behind them stands the simulated Auto
//! Scaling group, moved by the wall clock. A bridge makes its instances Nodes of a real API server, and the same server
//! is the token webhook of that API server. Every call is written down for the tests to look at.

mod account;
mod autoscaling;
mod autoscaling_answers;
mod bridge;
mod cloudtrail;
mod ec2;
mod eks;
mod faults;
mod listener;
mod query;
mod server;
mod service;
mod state;
mod token_review;
mod world;
mod xml;

pub use account::Need;
pub use bridge::KilledPod;
pub use faults::{Joins, Loss};
pub use server::AwsServer;
pub use state::{Call, UpdateError};
pub use world::{Key, TEMPLATE, World};
