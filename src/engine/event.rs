//! The one vocabulary of what happened: journalled, shown, replayed and asserted in these words.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::note::Note;
use super::{
    effect::{EffectKey, Refusal},
    phase::RunPhase,
    waiting::WaitingOn,
};
use crate::domain::{Diagnosis, InstanceId, Intent, NodeName, PodRef};
pub use crate::domain::{Evidence, Member, OldNode};

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Why a pod was deleted instead of evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletedFor {
    /// `--force`, after the drain timeout.
    Force,
    /// `--disable-eviction`.
    DisableEviction,
}

/// What extra nodes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SurgeFor {
    /// They carry the load meanwhile.
    Load,
    /// They stand in for quarantined nodes.
    Quarantine,
    /// The last Ready node of a zone with zonal volumes must not go before a new one is there.
    ZoneVolumes,
}

/// Why a node does not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Stuck {
    /// Pods were left after the drain timeout: EKS's `PodEvictionFailure`.
    PodEviction {
        /// The timeout that ran out.
        after: Duration,
        /// What held them.
        held: Vec<HeldPod>,
    },
    /// The replacement does not serve after the replacement timeout: EKS's `NodeCreationFailure`.
    NodeCreation {
        /// The timeout that ran out.
        after: Duration,
        /// What it waits for.
        on: WaitingOn,
    },
    /// A server refuses for good: a right is missing, an object is protected.
    Refused {
        /// What was asked.
        act: EffectKey,
        /// What it said.
        refusal: Refusal,
    },
}

/// A pod that did not leave, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPod {
    /// Which.
    pub pod: PodRef,
    /// What holds it.
    pub on: WaitingOn,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum RunOutcome {
    /// No old node is left.
    Done,
    /// Done, but these nodes are quarantined.
    Quarantined {
        /// Which. In documents the word of a key is theirs alone: `nodes` are all nodes of a summary; old journals say so.
        #[serde(rename = "quarantined", alias = "nodes")]
        nodes: BTreeSet<NodeName>,
    },
    /// Stopped: pods would not leave a node.
    EvictionFailed,
    /// Stopped: a replacement did not come.
    ReplacementFailed,
    /// Stopped: a server refuses.
    Refused {
        /// What it said.
        why: String,
    },
    /// Stopped by the user; resumable.
    Interrupted,
    /// The run was undone.
    Aborted,
    /// Done or undone, but for what could not be taken back; it is remembered, so that `abort` can try again.
    NotTakenBack {
        /// What, each by its name.
        what: Vec<String>,
    },
    /// Stopped rather than break a promise; a fault of mngup's.
    InvariantBroken {
        /// Which.
        what: String,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A run began.
    RunStarted {
        /// All of its intent.
        intent: Box<Intent>,
        /// The nodes it means to replace.
        old: Vec<OldNode>,
    },
    /// A run that was interrupted goes on.
    RunResumed {
        /// All of its intent.
        intent: Box<Intent>,
        /// What is left to replace.
        old: Vec<OldNode>,
    },
    /// The run entered a phase.
    Phase {
        /// Which.
        phase: RunPhase,
    },
    /// Extra nodes were asked for.
    SurgeRequested {
        /// How many beyond the size at the start.
        nodes: u32,
        /// The group's desired size before.
        from: u32,
        /// The desired size that was asked for.
        desired: u32,
        /// The maximum, where it had to be raised too.
        max: Option<u32>,
        /// What for.
        purpose: SurgeFor,
    },
    /// Extra nodes cannot be had; the run goes on without.
    SurgeUnavailable {
        /// Why.
        why: String,
    },
    /// `AZRebalance` was suspended or resumed.
    AzRebalance {
        /// Whether it is suspended now.
        suspended: bool,
    },
    /// A node's turn came.
    NodeChosen {
        /// Which.
        #[serde(flatten)]
        member: Member,
        /// Members available after the choice, and how many must be.
        available: u32,
        /// How many must be.
        required: u32,
        /// Whether it leaves only so that the group gets back to its size.
        shrink: bool,
        /// Extended resources it offers, which its replacement must offer too.
        extended: BTreeMap<String, u64>,
    },
    /// A node is cordoned and out of load balancers.
    NodeCordoned {
        /// Which.
        node: NodeName,
        /// False when somebody had cordoned it before.
        ours: bool,
    },
    /// The API server accepted an eviction.
    PodEvicted {
        /// Whom.
        pod: PodRef,
        /// From where.
        node: NodeName,
    },
    /// The API server refused an eviction.
    PodRefused {
        /// Whom.
        pod: PodRef,
        /// On which node.
        node: NodeName,
        /// Why.
        refusal: Refusal,
    },
    /// A pod was deleted without asking its budget.
    PodDeleted {
        /// Whom.
        pod: PodRef,
        /// From where.
        node: NodeName,
        /// By which consent.
        why: DeletedFor,
    },
    /// A pod is still on the node, which is terminated all the same: force was asked for, and neither an eviction nor a
    /// deletion got it to go.
    PodGoesDown {
        /// Whose.
        pod: PodRef,
        /// With which node.
        node: NodeName,
    },
    /// A pod that had to leave is gone from the node.
    PodGone {
        /// Whose.
        pod: PodRef,
        /// From where.
        node: NodeName,
        /// How long after the node's turn came.
        after: Duration,
    },
    /// A pod came onto a cordoned node.
    PodLandedBack {
        /// Which.
        pod: PodRef,
        /// Where.
        node: NodeName,
        /// What lets it, as it is written in the pod.
        toleration: String,
    },
    /// Nothing that must leave is left on the node.
    NodeDrained {
        /// Which.
        node: NodeName,
        /// How many pods left it in this run.
        pods: u32,
        /// How long it took.
        took: Duration,
    },
    /// Its termination is about to be asked for; journalled before the call.
    Terminating {
        /// Which.
        #[serde(flatten)]
        member: Member,
        /// Whether the group shrinks by it.
        decrement: bool,
    },
    /// The answer to a termination was lost; looking will tell.
    TerminateUnknown {
        /// Which.
        instance: InstanceId,
        /// What was heard instead.
        why: String,
    },
    /// The instance has left the group, or is on its way out.
    InstanceLeft {
        /// Which.
        #[serde(flatten)]
        member: Member,
        /// Whether we had asked for it: false is a spot loss or somebody else.
        ours: bool,
    },
    /// A new instance appeared.
    Launched {
        /// The new one.
        instance: InstanceId,
        /// Whom it replaces; none for an extra node.
        replaces: Option<Member>,
    },
    /// A new node registered.
    Joined {
        /// The new one.
        node: NodeName,
        /// Its instance.
        instance: InstanceId,
    },
    /// A new node serves: Ready, in service, from the right template, its `DaemonSets` Ready.
    Serves {
        /// The new one.
        node: NodeName,
        /// Its instance.
        instance: InstanceId,
        /// Whom it replaces.
        replaces: Option<Member>,
        /// Since its instance was first seen.
        took: Duration,
    },
    /// A node is replaced (or gone for good, where the group shrank by it).
    Replaced {
        /// The old one.
        #[serde(flatten)]
        member: Member,
        /// The new one, if any.
        by: Option<NodeName>,
        /// Since its turn came.
        took: Duration,
    },
    /// A node does not go on.
    NodeStuck {
        /// Which; none when it is about an extra node.
        member: Option<Member>,
        /// Why.
        why: Stuck,
    },
    /// A node in flight is given back because the run stops.
    GivingBack {
        /// Which.
        #[serde(flatten)]
        member: Member,
    },
    /// A node was given back: uncordoned if we had cordoned it.
    NodeReleased {
        /// Which.
        node: NodeName,
    },
    /// A node stays cordoned and the run goes on without it.
    NodeQuarantined {
        /// Which.
        node: NodeName,
    },
    /// Somebody else uncordoned a node in flight.
    NodeUncordonedByOther {
        /// Which.
        node: NodeName,
    },
    /// What nodes in flight wait for; told on change, or once a minute. An empty list ends the wait.
    Waiting {
        /// Node or instance, by title.
        who: String,
        /// What it waits for.
        on: Vec<WaitingOn>,
        /// Since when.
        since: Timestamp,
        /// When patience ends, if it does.
        until: Option<Timestamp>,
        /// Pods left, where it drains.
        pods_left: Option<u32>,
    },
    /// An act was refused or lost and will be tried again.
    ActFailed {
        /// Which.
        act: EffectKey,
        /// Why.
        why: String,
    },
    /// Why it does not move: news about that; without findings, nothing stands in the way any more.
    Diagnosed {
        /// What was found.
        diagnosis: Box<Diagnosis>,
    },
    /// Something that is worth a warning.
    Warning {
        /// What, in a sentence.
        message: String,
    },
    /// The user asked to stop.
    StopRequested,
    /// The run ended.
    RunEnded {
        /// How.
        #[serde(flatten)]
        outcome: RunOutcome,
        /// Old nodes that are left.
        left: u32,
        /// Nodes replaced by this run, since it was started or resumed here.
        replaced: u32,
    },
    /// Bookkeeping of the engine's own: keeps its state whole, is never journalled nor shown.
    #[serde(skip)]
    Noted(Note),
}

impl Event {
    /// Whether journals and screens hear of it; the others only keep the engine's state whole.
    #[must_use]
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::Noted(_))
    }
}
