//! What EKS says of a node group, and what an update of its own left behind.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::units::span;

/// One health issue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssueSpec {
    /// `AsgInstanceLaunchFailures`, …
    pub code: String,
    /// EKS's sentence.
    #[serde(default)]
    pub message: String,
    /// What it is about.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// The newest update of the node group's version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpdateSpec {
    /// Its id.
    pub id: String,
    /// `InProgress`, `Failed`, `Cancelled`, `Successful`.
    #[serde(default = "failed")]
    pub status: String,
    /// How long before the start of the world it began.
    #[serde(default = "half_an_hour", with = "span")]
    pub began: Duration,
    /// What was asked for: `ReleaseVersion`, ….
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// What went wrong.
    #[serde(default)]
    pub errors: Vec<UpdateErrorSpec>,
    /// What it left behind.
    #[serde(default)]
    pub left: LeftSpec,
}

/// One error of an update.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpdateErrorSpec {
    /// `PodEvictionFailure`, …
    pub code: String,
    /// EKS's sentence.
    #[serde(default)]
    pub message: String,
    /// The nodes of the group that it names.
    #[serde(default)]
    pub resources: Vec<NamedNode>,
}

/// A node of the group as it is at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedNode {
    /// The first by name.
    First,
    /// The last by name.
    Last,
}

/// What an update left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LeftSpec {
    /// Whether old nodes are cordoned and out of load balancers.
    pub cordoned: bool,
    /// By how many of its nodes the update enlarged the group.
    pub desired: u32,
}

fn failed() -> String {
    "Failed".to_owned()
}

fn half_an_hour() -> Duration {
    Duration::from_mins(30)
}
