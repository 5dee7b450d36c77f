//! What must never happen, stated once: checked before every act, in production as in simulations.

use std::fmt;

use super::{
    choose,
    effect::{CloudAct, Effect, KubeAct},
    phase::{Call, NodePhase},
    rollout::Rollout,
};
use crate::{
    domain::{Instance, InstanceId, Lifecycle, Node, NodeKind, NodeName, PodRef, Snapshot},
    drain::{Fate, fate},
};

/// A promise that an act would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The Node is not of this group, or not an instance's.
    ForeignNode(NodeName),
    /// The instance is not of this group, or not in flight.
    ForeignInstance(InstanceId),
    /// The instance's termination was asked for already.
    TerminatedTwice(InstanceId),
    /// A pod that must be evicted still runs on the instance.
    StillRuns(InstanceId, PodRef),
    /// What runs on the instance is not known.
    Unseen(InstanceId),
    /// A pod is to be evicted from a node that is not in flight, or not cordoned.
    NotDraining(PodRef),
    /// A node would be uncordoned that somebody else cordoned.
    ForeignCordon(NodeName),
    /// A node that serves would be taken out although too few others do.
    OverBudget {
        /// Which.
        node: NodeName,
        /// How many others serve.
        available: u32,
        /// How many must.
        required: u32,
    },
}

/// Whether this act keeps every promise, given what is seen now.
///
/// # Errors
/// The first promise it would break.
pub fn check(run: &Rollout, snapshot: &Snapshot, effect: &Effect, now: jiff::Timestamp) -> Result<(), Violation> {
    match effect {
        Effect::Kube(KubeAct::SaveIntent(_) | KubeAct::ForgetIntent)
        | Effect::Cloud(CloudAct::SetSize { .. } | CloudAct::SuspendAzRebalance | CloudAct::ResumeAzRebalance) => {
            Ok(())
        }
        Effect::Kube(KubeAct::PatchNode(name, patch)) => {
            let Some(node) = snapshot.node(name) else { return Err(Violation::ForeignNode(name.clone())) };
            let members = snapshot.group().map(|group| &group.instances);
            let member = node.instance.as_ref().is_some_and(|id| members.is_some_and(|all| all.contains_key(id)));
            if !member || node.kind != NodeKind::Instance {
                return Err(Violation::ForeignNode(name.clone()));
            }
            if patch.unschedulable == Some(false) && !node.marks.cordoned() {
                return Err(Violation::ForeignCordon(name.clone()));
            }
            if patch.unschedulable == Some(true) { cordon(run, snapshot, node) } else { Ok(()) }
        }
        Effect::Kube(KubeAct::Evict { pod, .. } | KubeAct::DeletePod { pod, .. }) => {
            let node = snapshot.pod(&pod.uid).and_then(|pod| pod.node.as_ref());
            let flight = run.flights().values().find(|flight| node.is_some() && flight.member.node.as_ref() == node);
            let draining = flight.is_some_and(|flight| matches!(flight.phase, NodePhase::Draining { .. }));
            let cordoned = node.and_then(|node| snapshot.node(node)).is_some_and(|node| node.unschedulable);
            if draining && cordoned { Ok(()) } else { Err(Violation::NotDraining(pod.clone())) }
        }
        Effect::Cloud(CloudAct::Terminate { instance, .. }) => terminate(run, snapshot, instance, now),
    }
}

fn terminate(run: &Rollout, snapshot: &Snapshot, id: &InstanceId, now: jiff::Timestamp) -> Result<(), Violation> {
    let member = snapshot.group().is_some_and(|group| group.instances.contains_key(id));
    let Some(flight) = run.flights().get(id).filter(|_| member) else {
        return Err(Violation::ForeignInstance(id.clone()));
    };
    match flight.phase {
        NodePhase::Terminating { call: Call::Marked, .. } => {}
        NodePhase::Terminating { call, .. } if choose::asked(call) => {
            return Err(Violation::TerminatedTwice(id.clone()));
        }
        NodePhase::Terminating { .. }
        | NodePhase::Cordoning
        | NodePhase::Draining { .. }
        | NodePhase::Settling { .. }
        | NodePhase::Replacing { .. }
        | NodePhase::Releasing
        | NodePhase::Quarantined => return Err(Violation::ForeignInstance(id.clone())),
    }
    let policy = &run.intent().policy;
    if let Some(node) = snapshot.node_of(id) {
        if !snapshot.knows_pods_of(&node.name) {
            return Err(Violation::Unseen(id.clone()));
        }
        let runs = snapshot.pods_on(&node.name).find(|pod| match fate(pod, Some(node), policy, now) {
            Fate::Stays(_) => false,
            // With force, after all patience; each by its name.
            Fate::Leaves | Fate::Stopping => !flight.goes_down.contains(&pod.id.uid),
            Fate::Unmanaged => true,
        });
        if let Some(pod) = runs {
            return Err(Violation::StillRuns(id.clone(), pod.id.clone()));
        }
    }
    Ok(())
}

/// Whether enough others serve when this node is taken out. Counted anew and a little more kindly than the engine
/// counts: a new node that is Ready serves here, though its DaemonSets may not.
fn cordon(run: &Rollout, snapshot: &Snapshot, node: &Node) -> Result<(), Violation> {
    let Some(group) = snapshot.group() else { return Ok(()) };
    let serves = |instance: &Instance, node: &Node| {
        instance.lifecycle == Lifecycle::InService && node.is_ready() && !node.unschedulable
    };
    let member = |id: &InstanceId| group.instances.get(id).zip(snapshot.node_of(id));
    let arrives = node.instance.as_ref().is_some_and(|id| run.arrivals.contains_key(id));
    let costs = node.instance.as_ref().and_then(member).is_some_and(|(instance, node)| serves(instance, node));
    let taken = run.taken();
    let others = group.instances.keys().filter(|id| !taken.contains(id)).filter_map(member);
    let available = u32::try_from(others.filter(|(instance, node)| serves(instance, node)).count()).unwrap_or(u32::MAX);
    let required = choose::required_of(run, group);
    if costs && !arrives && available < required {
        return Err(Violation::OverBudget { node: node.name.clone(), available, required });
    }
    Ok(())
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignNode(node) => write!(f, "node/{node} is not this group's and would be changed"),
            Self::ForeignInstance(id) => write!(f, "instance/{id} is not in flight and would be terminated"),
            Self::TerminatedTwice(id) => write!(f, "instance/{id} would be terminated twice"),
            Self::StillRuns(id, pod) => write!(f, "instance/{id} would be terminated while {pod} runs on it"),
            Self::Unseen(id) => write!(f, "instance/{id} would be terminated before the pods on it are known"),
            Self::NotDraining(pod) => write!(f, "{pod} would be evicted from a node that is not being drained"),
            Self::ForeignCordon(node) => write!(f, "node/{node} was cordoned by somebody else and would be uncordoned"),
            Self::OverBudget { node, available, required } => {
                write!(f, "node/{node} would be taken out while {available} others serve and {required} must")
            }
        }
    }
}
