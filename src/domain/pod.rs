//! Pods, as far as a drain must know them.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NodeName, PodRef, Taint, TaintEffect, Trouble};

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Namespace, name and uid.
    pub id: PodRef,
    /// The node it is bound to.
    pub node: Option<NodeName>,
    /// Its controller, which makes a new one when it leaves; pods without one are gone for good.
    pub owner: Option<Owner>,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Condition Ready.
    pub ready: bool,
    /// Since when it is Ready or not.
    pub ready_since: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Set once it is asked to leave.
    pub deletion: Option<Deletion>,
    /// A static pod's mirror: the kubelet owns it, the API cannot remove it.
    pub mirror: bool,
    /// The annotation that tells an autoscaler to leave its node alone, as it is written.
    #[serde(default)]
    pub no_scale_down: Option<String>,
    /// Its labels, which budgets select on.
    pub labels: BTreeMap<String, String>,
    /// What it puts up with.
    pub tolerations: Vec<Toleration>,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace_seconds: u32,
    /// What must be done before the object goes.
    pub finalizers: Vec<String>,
    /// Whether it has an emptyDir on disk, which is lost when it leaves.
    pub local_data: bool,
    /// Its persistent volume claims, by name.
    pub claims: Vec<String>,
    /// Why it is not Ready; boxed, for most pods of a large cluster are.
    pub trouble: Option<Box<Trouble>>,
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// `ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, …
    pub kind: String,
    /// Its name, in the pod's namespace.
    pub name: String,
}

impl fmt::Display for Owner {
    /// As kubectl takes it: `deployment/agent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not started.
    Pending,
    /// Started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// The kubelet does not answer.
    Unknown,
}

/// A pod that was asked to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// `metadata.deletionTimestamp`: when it should be gone; the grace period is already in it.
    pub due: Timestamp,
    /// `metadata.deletionGracePeriodSeconds`.
    pub grace_seconds: u32,
}

/// One toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toleration {
    /// The taint's key; none with `Exists` tolerates every key.
    pub key: Option<String>,
    /// How the value is compared.
    pub operator: TolerationOperator,
    /// The taint's value, with `Equal`.
    pub value: String,
    /// The effect; none tolerates every effect.
    pub effect: Option<TaintEffect>,
}

/// How a toleration compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// Key and value are the same.
    Equal,
    /// The key is there, or any key when none is named.
    Exists,
}

impl Deletion {
    /// When it was told to go.
    #[must_use]
    pub fn asked_at(self) -> Timestamp {
        self.due - Duration::from_secs(self.grace_seconds.into())
    }
}

impl Toleration {
    /// Whether this lets the pod onto a node with the taint (k8s.io/api `core/v1/toleration.go`).
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_none_or(|effect| effect == taint.effect);
        let key = self.key.as_ref().is_none_or(|key| *key == taint.key);
        let value = match self.operator {
            TolerationOperator::Exists => true,
            TolerationOperator::Equal => self.key.is_some() && self.value == taint.value,
        };
        effect && key && value
    }
}

/// Annotations by which a pod keeps its node from an autoscaler that would scale down: the cluster autoscaler's and
/// Karpenter's.
const NO_SCALE_DOWN: [(&str, &str); 2] =
    [("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"), ("karpenter.sh/do-not-disrupt", "true")];

/// The one of these annotations that tells an autoscaler to leave the pod's node alone, as it is written.
#[must_use]
pub fn no_scale_down(annotations: &BTreeMap<String, String>) -> Option<String> {
    let set = NO_SCALE_DOWN.iter().find(|(key, value)| annotations.get(*key).is_some_and(|known| known == value));
    set.map(|(key, value)| format!("{key}: \"{value}\""))
}

impl Pod {
    /// Whether it ran to its end: it holds nothing and budgets do not count it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Since when nothing but its finalizers keeps it: it was told to go, and nothing of it runs any more. While a container
    /// runs it is the kubelet that keeps it, whatever stands in its metadata.
    #[must_use]
    pub fn finalizers_keep_since(&self) -> Option<Timestamp> {
        let deletion = self.deletion.filter(|_| !self.finalizers.is_empty())?;
        if self.is_finished() || self.node.is_none() {
            // The API server gives no grace to what does not run, nor does a kubelet that is done.
            return Some(deletion.due);
        }
        let trouble = self.trouble.as_ref().filter(|trouble| trouble.has_ended())?;
        Some(trouble.last_end().map_or(deletion.due, |end| end.max(deletion.asked_at())))
    }

    /// Whether it ran to its end and no other is made in its place while its record stays: a `StatefulSet` gives each of
    /// its names to one pod.
    #[must_use]
    pub fn keeps_its_place(&self) -> bool {
        let one_of_its_name = self.owner.as_ref().is_some_and(|owner| owner.kind == "StatefulSet");
        one_of_its_name && self.is_finished() && self.finalizers_keep_since().is_some()
    }

    /// What a person changes to change such pods: its controller, or the Deployment behind a `ReplicaSet`.
    #[must_use]
    pub fn workload(&self) -> Option<Owner> {
        let owner = self.owner.clone()?;
        // Deployments, and they alone, label what is theirs so, and name their `ReplicaSets` with it.
        let hash = self.labels.get("pod-template-hash").filter(|_| owner.kind == "ReplicaSet");
        match hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')) {
            Some(name) => Some(Owner { kind: "Deployment".to_owned(), name: name.to_owned() }),
            None => Some(owner),
        }
    }

    /// Whether a `DaemonSet` controls it.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet")
    }

    /// The toleration that lets it land on a cordoned node again, if it has one.
    #[must_use]
    pub fn tolerates_cordon(&self) -> Option<&Toleration> {
        let cordon = Taint::cordon();
        self.tolerations.iter().find(|toleration| toleration.tolerates(&cordon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_changes_the_deployment_and_not_its_replica_set() {
        let controlled = |kind: &str, name: &str, hash: Option<&str>| {
            let labels = hash.map(|hash| ("pod-template-hash".to_owned(), hash.to_owned())).into_iter().collect();
            let owner = Some(Owner { kind: kind.to_owned(), name: name.to_owned() });
            Pod { owner, labels, ..pod() }.workload().unwrap().to_string()
        };
        assert_eq!(controlled("ReplicaSet", "agent-7d9f", Some("7d9f")), "deployment/agent");
        assert_eq!(controlled("ReplicaSet", "agent-7d9f", None), "replicaset/agent-7d9f");
        assert_eq!(controlled("ReplicaSet", "7d9f", Some("7d9f")), "replicaset/7d9f");
        assert_eq!(controlled("StatefulSet", "db", None), "statefulset/db");
        assert_eq!(Pod { owner: None, ..pod() }.workload(), None);
    }

    fn pod() -> Pod {
        Pod {
            id: PodRef { namespace: "shop".to_owned(), name: "agent-1".to_owned(), uid: "u".into() },
            node: None,
            owner: None,
            phase: PodPhase::Running,
            ready: true,
            ready_since: None,
            created_at: Timestamp::UNIX_EPOCH,
            deletion: None,
            mirror: false,
            no_scale_down: None,
            labels: BTreeMap::new(),
            tolerations: Vec::new(),
            grace_seconds: 30,
            finalizers: Vec::new(),
            local_data: false,
            claims: Vec::new(),
            trouble: None,
        }
    }
}
