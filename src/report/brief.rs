//! The plan in brief, as data: what a person is asked about, and what `--dry-run` prints for programs.

use serde::Serialize;

use super::commands::Commands;
use crate::{
    domain::{CannotTell, ClusterName, Finding, Grade, GroupName, Limits, PodRef, Policy},
    engine::event::{Member, OldNode},
};

/// What is meant to be done, as far as a person wants to see it before saying yes. Serialised it is what `--dry-run`
/// prints for programs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Brief {
    /// The cluster.
    pub cluster: ClusterName,
    /// The group.
    pub group: GroupName,
    /// What kind of group it is: `managed, AL2023, on-demand`.
    pub flavour: String,
    /// Members of the group.
    pub nodes: u32,
    /// Zones they are in.
    pub zones: u32,
    /// Members to be replaced, and why.
    pub old: Vec<OldNode>,
    /// What percentages became.
    pub limits: Limits,
    /// The group's desired size.
    pub desired: u32,
    /// Its maximum, and what that has to be raised to meanwhile.
    pub raises_max: Option<(u32, u32)>,
    /// All members that are old, those included that are not to be replaced now.
    pub old_in_all: u32,
    /// What the user wants.
    pub policy: Policy,
    /// The old members in the order of their turns, as far as it can be known before.
    pub order: Vec<NodeBrief>,
    /// What would stand in the way, as `mngup diagnose --before-upgrade` finds it, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be told, and what lacks for it.
    pub unknown: Vec<CannotTell>,
    /// What else is worth knowing, one sentence each.
    pub notes: Vec<String>,
    /// How to reach the group again.
    #[serde(skip)]
    pub commands: Commands,
}

/// One node's part of the plan.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeBrief {
    /// Which.
    pub member: Member,
    /// Pods that leave it.
    pub leaves: Vec<PodRef>,
    /// Pods that stay, by reason: `DaemonSet`.
    pub stays: Vec<(String, u32)>,
    /// Pods that would not leave, with the reason.
    pub blocks: Vec<(PodRef, String)>,
}

impl Brief {
    /// What has to be fixed before every node can be replaced.
    pub fn to_fix(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.grade == Grade::Blocks)
    }
}
