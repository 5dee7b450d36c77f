//! AWS: the group as EKS and Auto Scaling know it, the cluster's address, and tokens for its API server.
//!
//! [`Session::load`] finds region and credentials, [`Session::cluster`] the API server, [`Session::token`] a token
//! for it, and [`Session::cloud`] the one group that a run is about, as [`crate::ports::Cloud`].
//! One file knows how each thing is said on the wire; `error` alone reads what AWS answers when it says no.

mod act;
mod actions;
mod cloud;
mod cluster;
mod ec2;
mod ec2_answers;
mod endpoint;
mod error;
mod group;
mod look;
mod parse;
mod redact;
mod resize;
mod session;
mod target;
mod telling;
mod token;

pub use actions::ACTIONS;
pub use cloud::AwsCloud;
pub use cluster::ClusterInfo;
pub use session::Session;
pub use token::{BearerToken, EksToken};
