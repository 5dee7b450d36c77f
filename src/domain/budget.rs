//! `PodDisruptionBudgets`: what they promise and what their status allows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IntOrPercent, PdbRef, Pod, Selector};

/// A `policy/v1 PodDisruptionBudget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pdb {
    /// Namespace and name.
    pub id: PdbRef,
    /// Changes with every write of spec or status; compared, never ordered.
    pub revision: String,
    /// `metadata.generation`: counts changes of the spec.
    pub generation: i64,
    /// By when its spec was changed last: whoever changed it may have changed something else since then. None where
    /// `metadata.managedFields` does not tell.
    #[serde(default)]
    pub spec_changed_at: Option<Timestamp>,
    /// Which pods it counts.
    pub selector: Selector,
    /// What it promises.
    pub rule: PdbRule,
    /// Whether pods that are not Ready may leave all the same.
    pub unhealthy: UnhealthyPolicy,
    /// What the disruption controller made of it.
    pub status: PdbStatus,
}

/// The promise of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PdbRule {
    /// So many must stay available; a percentage rounds up.
    MinAvailable(IntOrPercent),
    /// So many may be out; a percentage rounds up.
    MaxUnavailable(IntOrPercent),
}

/// `spec.unhealthyPodEvictionPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnhealthyPolicy {
    /// A pod that is not Ready may leave only while the budget is met: the default, and how an app blocks its own cure.
    #[default]
    IfHealthyBudget,
    /// A pod that is not Ready may always leave.
    AlwaysAllow,
}

/// `status` of a budget, as the disruption controller wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdbStatus {
    /// The generation this status speaks of; older than the budget's own means it is stale.
    pub observed_generation: i64,
    /// How many evictions the API server would accept now.
    pub allowed: i32,
    /// Pods that are Ready now.
    pub current: i32,
    /// Pods that must be Ready.
    pub desired: i32,
    /// Pods that the budget counts.
    pub expected: i32,
    /// Names of pods whose eviction was accepted and that the controller has not yet seen leave, and when that was.
    pub disrupted: BTreeMap<String, Timestamp>,
    /// Since when it allows none (condition `DisruptionAllowed` is False); none while it does.
    pub blocked_since: Option<Timestamp>,
    /// Why the controller could not compute it (condition `DisruptionAllowed`, reason `SyncFailed`).
    pub sync_failed: Option<String>,
}

impl Pdb {
    /// Whether the status speaks of the spec as it is now; the API server refuses evictions while it does not.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.status.observed_generation >= self.generation
    }

    /// Whether this budget counts the pod.
    #[must_use]
    pub fn selects(&self, pod: &Pod) -> bool {
        self.id.namespace == pod.id.namespace && self.selector.matches(&pod.labels)
    }

    /// Whether no eviction can ever be allowed, even with every pod Ready: the arithmetic leaves none over.
    ///
    /// Only said of an observed status with pods; machine-controller-manager fails fast on the same predicate.
    #[must_use]
    pub fn never_allows(&self) -> bool {
        self.is_observed()
            && self.status.sync_failed.is_none()
            && self.status.expected > 0
            && self.status.desired >= self.status.expected
    }
}
