//! Members of the group that a run is about, and why it is about them.

use serde::{Deserialize, Serialize};

use super::{InstanceId, LaunchTemplate, NodeName, Zone};

/// A member of the group that a run is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// Its instance.
    pub instance: InstanceId,
    /// Its Node; none when it never became one.
    pub node: Option<NodeName>,
    /// Where it runs.
    pub zone: Zone,
}

impl Member {
    /// What people call it: `node/NAME`, or `instance/i-…` when it never became a node.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.node {
            Some(node) => format!("node/{node}"),
            None => format!("instance/{}", self.instance),
        }
    }
}

/// Why a node counts as one to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Evidence {
    /// Launched from another template or version than the group would launch now.
    Template {
        /// What it was launched from.
        has: LaunchTemplate,
        /// What the group would launch.
        target: LaunchTemplate,
    },
    /// Launched without a launch template that still exists.
    NoTemplate,
    /// Not old, but `--all-nodes` asks for it.
    Asked,
}

/// A node to be replaced, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldNode {
    /// Which.
    #[serde(flatten)]
    pub member: Member,
    /// By what evidence.
    pub evidence: Evidence,
}
