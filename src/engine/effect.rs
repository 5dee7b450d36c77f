//! What the engine asks the shell to do, and what may come of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use crate::domain::Refusal;
use crate::domain::{InstanceId, Intent, NodeName, NodePatch, PdbRef, PodRef, Uid};

/// One act. Each is idempotent, or settled by looking before it is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Through the Kubernetes API.
    Kube(KubeAct),
    /// Through AWS.
    Cloud(CloudAct),
}

/// An act on the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KubeAct {
    /// Write the one `ConfigMap` of the run.
    SaveIntent(Box<Intent>),
    /// Delete it: nothing is left to go on with.
    ForgetIntent,
    /// Change a Node, in one request.
    PatchNode(NodeName, NodePatch),
    /// `policy/v1 Eviction` with a uid precondition.
    Evict {
        /// Whom.
        pod: PodRef,
        /// Seconds, when the pod's own grace period is overridden.
        grace: Option<u32>,
    },
    /// DELETE with a uid precondition: ignores budgets.
    DeletePod {
        /// Whom.
        pod: PodRef,
        /// Seconds, when the pod's own grace period is overridden.
        grace: Option<u32>,
    },
}

/// An act on the Auto Scaling group, or on the managed node group above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudAct {
    /// `TerminateInstanceInAutoScalingGroup`.
    Terminate {
        /// Which.
        instance: InstanceId,
        /// Whether the group shrinks by it instead of launching a replacement.
        decrement: bool,
    },
    /// Move what is named of the sizes and nothing else (the maximum through EKS for a managed group). Refused as a
    /// conflict where somebody else moved them meanwhile.
    SetSize {
        /// The desired size, when it moves.
        desired: Option<Step>,
        /// The maximum, when it moves.
        max: Option<Step>,
    },
    /// `SuspendProcesses(AZRebalance)`.
    SuspendAzRebalance,
    /// `ResumeProcesses(AZRebalance)`.
    ResumeAzRebalance,
}

/// A size that moves, and what it was when that was decided: the cluster autoscaler moves it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// As it was seen.
    pub from: u32,
    /// As it is to be.
    pub to: u32,
}

/// Tells acts apart while they are under way: the shell never has two of one key in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKey {
    /// Any write of the intent.
    Intent,
    /// Any change of this Node.
    Node(NodeName),
    /// Eviction or deletion of this pod.
    Pod(Uid),
    /// Termination of this instance.
    Instance(InstanceId),
    /// Sizes.
    Size,
    /// Suspended processes.
    Processes,
}

impl Effect {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> EffectKey {
        match self {
            Self::Kube(KubeAct::SaveIntent(_) | KubeAct::ForgetIntent) => EffectKey::Intent,
            Self::Kube(KubeAct::PatchNode(node, _)) => EffectKey::Node(node.clone()),
            Self::Kube(KubeAct::Evict { pod, .. } | KubeAct::DeletePod { pod, .. }) => EffectKey::Pod(pod.uid.clone()),
            Self::Cloud(CloudAct::Terminate { instance, .. }) => EffectKey::Instance(instance.clone()),
            Self::Cloud(CloudAct::SetSize { .. }) => EffectKey::Size,
            Self::Cloud(CloudAct::SuspendAzRebalance | CloudAct::ResumeAzRebalance) => EffectKey::Processes,
        }
    }
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is done.
    Done,
    /// The server said no.
    Refused(Refusal),
    /// No answer came: it may be done or not, and only looking tells.
    Unknown(String),
}

/// What the shell should keep an eye on, so that requests follow what is in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Nodes whose pods matter now.
    pub pods_on: BTreeSet<NodeName>,
    /// Budgets that block: whose pods are not Ready, and where?
    pub pods_of: BTreeSet<PdbRef>,
    /// Whether somebody waits for a launch, so that scaling activities are worth reading.
    pub activities: bool,
}
