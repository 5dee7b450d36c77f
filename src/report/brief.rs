//! The plan in brief, as data: what a person is asked about, and what `--dry-run` prints for programs.

use serde::Serialize;

use super::{names::Names, remedy::Step};
use crate::{
    domain::{ClusterName, GroupName, Limits, PdbRef, PodRef, Policy},
    engine::{
        event::{Member, OldNode},
        waiting::BudgetView,
    },
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
    /// What else is worth knowing, one sentence each.
    pub findings: Vec<String>,
    /// Budgets that can never allow an eviction.
    pub never: Vec<BudgetView>,
    /// Pods that more than one budget counts.
    pub two_budgets: Vec<(PodRef, Vec<PdbRef>)>,
    /// Pods that come back onto a cordoned node, and the toleration that lets them.
    pub lands_back: Vec<(PodRef, String)>,
    /// Steps that clear away what would hold pods for ever.
    pub fix: Vec<Step>,
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
    /// The same for programs, which get all findings in one place and every name whole.
    #[must_use]
    pub fn for_programs(&self) -> Self {
        Self { findings: self.obstacles(&Names::default()), ..self.clone() }
    }
}
