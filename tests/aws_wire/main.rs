//! The AWS adapter, byte for byte through the real SDK clients, against the server of the live tests. No Kubernetes.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod acting;
mod errors;
mod looking;
mod moto;
mod reading;
mod tokens;

#[path = "../live/support/aws/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the live tests use the rest of it")]
mod aws;

use aws::{AwsServer, Key, World};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use mngup::{
    adapters::aws::{AwsCloud, Session},
    domain::{AsgName, ClusterName, GroupName, NodegroupName},
    ports::PortError,
};

/// A session as the program loads it, but for where it gets its settings from: variables are the whole process's.
async fn session_with(server: &AwsServer, key: &Key) -> Result<Session, PortError> {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(server.url())
        .credentials_provider(Credentials::new(&*key.id, &*key.secret, None, None, "test"));
    Session::from_loader(loader, Some("ci".to_owned())).await
}

async fn session(server: &AwsServer) -> Session {
    session_with(server, &Key::of("mngup")).await.expect("region and keys are there")
}

/// The group of the default world.
async fn workers(server: &AwsServer) -> AwsCloud {
    let group = GroupName::Nodegroup(NodegroupName::new("workers"));
    session(server).await.cloud(&prod(), &group).await.expect("the group is there")
}

/// The group of the self-managed world.
async fn shop(server: &AwsServer) -> AwsCloud {
    session(server).await.cloud(&prod(), &GroupName::Asg(AsgName::new("shop-nodes"))).await.expect("the group is there")
}

fn prod() -> ClusterName {
    ClusterName::new("prod")
}

fn default_world() -> AwsServer {
    AwsServer::start(World::default())
}
