//! What becomes of a pod when its node is emptied.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{Node, Pod, Policy, Readiness, elapsed};

/// How long a pod may be past its deletion on a node whose kubelet is silent before it counts as gone.
///
/// A dead kubelet never confirms; the pod's containers ended with it or cannot be told apart from ended ones. Cluster
/// API skips such pods after a second, Karpenter after a minute; a minute forgives a kubelet that restarts.
const SILENT_KUBELET: Duration = Duration::from_mins(1);

/// What becomes of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays until the node goes, and holds nothing.
    Stays(Stays),
    /// It must leave and has not been asked.
    Leaves,
    /// It was asked and stops in its own time.
    Stopping,
    /// It must leave, but would be lost for good, and nobody consented.
    Unmanaged,
}

/// Why a pod stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stays {
    /// A `DaemonSet` runs it on each node, cordoned or not.
    DaemonSet,
    /// A static pod's mirror; the API cannot remove it.
    Mirror,
    /// It ran to its end.
    Finished,
    /// It is past its deletion and the node's kubelet is silent.
    SilentKubelet,
    /// It is past its deletion for longer than `--skip-wait-for-delete-timeout`.
    NoLongerWaitedFor,
}

/// What becomes of this pod when `node` is emptied (order of the rules: kubectl `pkg/drain/filters.go`).
#[must_use]
pub fn fate(pod: &Pod, node: Option<&Node>, policy: &Policy, now: Timestamp) -> Fate {
    if pod.mirror {
        return Fate::Stays(Stays::Mirror);
    }
    if pod.is_finished() {
        return Fate::Stays(Stays::Finished);
    }
    if pod.is_daemon() {
        return Fate::Stays(Stays::DaemonSet);
    }
    if let Some(deletion) = pod.deletion {
        let overdue = elapsed(deletion.due, now);
        let silent = node.is_some_and(|node| node.ready == Readiness::Unknown);
        if silent && overdue > SILENT_KUBELET {
            return Fate::Stays(Stays::SilentKubelet);
        }
        if policy.skip_wait_for_delete.is_some_and(|patience| overdue > patience) {
            return Fate::Stays(Stays::NoLongerWaitedFor);
        }
        return Fate::Stopping;
    }
    if pod.owner.is_none() && !policy.delete_unmanaged {
        return Fate::Unmanaged;
    }
    Fate::Leaves
}

/// The grace period to send with an eviction; none leaves the pod its own.
#[must_use]
pub fn grace_for(pod: &Pod, policy: &Policy) -> Option<u32> {
    let asked = policy.grace_period.unwrap_or(pod.grace_seconds);
    let capped = policy.max_grace_period.map_or(asked, |most| asked.min(most));
    (capped != pod.grace_seconds).then_some(capped)
}

impl Stays {
    /// The reason in words, for plans and reports.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::DaemonSet => "a DaemonSet's",
            Self::Mirror => "static (mirror pod)",
            Self::Finished => "finished",
            Self::SilentKubelet => "past its deletion, kubelet silent",
            Self::NoLongerWaitedFor => "past its deletion, no longer waited for",
        }
    }
}
