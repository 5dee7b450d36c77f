//! Nodes, and the `DaemonSets` that a new one must run before it counts.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DaemonSetRef, InstanceId, Marks, NodeName, Selector, Toleration, Zone};

/// A Kubernetes Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// The instance behind it, from `spec.providerID`; none when that is not an EC2 instance.
    pub instance: Option<InstanceId>,
    /// What kind of node it is.
    pub kind: NodeKind,
    /// `topology.kubernetes.io/zone`.
    pub zone: Option<Zone>,
    /// When it registered.
    pub created_at: Timestamp,
    /// Since when it is being deleted.
    #[serde(default)]
    pub deleting_since: Option<Timestamp>,
    /// What must be taken off before a deletion is done.
    #[serde(default)]
    pub finalizers: Vec<String>,
    /// Condition Ready.
    pub ready: Readiness,
    /// Since when that is so.
    #[serde(default)]
    pub ready_since: Option<Timestamp>,
    /// `spec.unschedulable`: cordoned.
    pub unschedulable: bool,
    /// Since when it is cordoned, as its taint tells.
    #[serde(default)]
    pub cordoned_at: Option<Timestamp>,
    /// Its taints, without those that only mirror conditions of ours.
    pub taints: Vec<Taint>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What mngup wrote on it.
    pub marks: Marks,
    /// Whether the cluster autoscaler is told to leave it alone, and by whom: `true` if by anybody.
    pub shielded: bool,
    /// `status.nodeInfo.kubeletVersion`.
    pub kubelet_version: String,
    /// Extended resources it offers, such as `nvidia.com/gpu`: allocatable, and not zero.
    pub extended: BTreeMap<String, u64>,
    /// Volumes still attached or in use.
    pub volumes: Vec<String>,
}

/// Whose a node is, told by labels and providerID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// An EC2 instance of an Auto Scaling group, managed or not.
    Instance,
    /// Karpenter's.
    Karpenter,
    /// EKS Auto Mode's.
    AutoMode,
    /// A Fargate pod's own node.
    Fargate,
    /// On somebody's premises.
    Hybrid,
    /// None of these.
    Other,
}

/// Condition Ready of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// `True`.
    Ready,
    /// `False`, with the kubelet's reason.
    NotReady(String),
    /// `Unknown` or absent: the kubelet does not answer.
    Unknown,
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: Effect,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Effect {
    /// New pods stay away.
    NoSchedule,
    /// New pods go elsewhere if they can.
    PreferNoSchedule,
    /// Pods that run are evicted too.
    NoExecute,
}

/// A `DaemonSet`, as far as to tell on which nodes it wants a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonSet {
    /// Namespace and name.
    pub id: DaemonSetRef,
    /// Node selector terms of which one must hold; the plain nodeSelector is part of each.
    pub node_selectors: Vec<Selector>,
    /// Tolerations of its pods, beside those that every daemon pod has.
    pub tolerations: Vec<Toleration>,
}

impl Node {
    /// Whether pods can run on it now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready == Readiness::Ready
    }
}

impl Taint {
    /// The one that a cordoned node carries.
    #[must_use]
    pub fn cordon() -> Self {
        Self { key: "node.kubernetes.io/unschedulable".to_owned(), value: String::new(), effect: Effect::NoSchedule }
    }

    /// Whether a node carries it only while it starts: whoever put it on takes it off again.
    #[must_use]
    pub fn is_of_the_start(&self) -> bool {
        let starting = self.key.starts_with("node.kubernetes.io/")
            || self.key == "node.cloudprovider.kubernetes.io/uninitialized"
            || self.key.ends_with("/agent-not-ready");
        starting && self.effect != Effect::PreferNoSchedule
    }
}

impl DaemonSet {
    /// Whether its controller puts a pod on this node (`pkg/controller/daemon`, `NodeShouldRunDaemonPod`).
    #[must_use]
    pub fn wants(&self, node: &Node) -> bool {
        let selected = self.node_selectors.is_empty() || self.node_selectors.iter().any(|s| s.matches(&node.labels));
        // The controller adds tolerations for the conditions of a node, which all carry this prefix.
        let tolerated = |taint: &Taint| {
            taint.effect == Effect::PreferNoSchedule
                || taint.key.starts_with("node.kubernetes.io/")
                || self.tolerations.iter().any(|toleration| toleration.tolerates(taint))
        };
        selected && node.taints.iter().all(tolerated)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        })
    }
}
