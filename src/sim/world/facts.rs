//! What happened in a world, for those who judge it: no client sees this.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::{InstanceId, NodeName, PdbRef, PodRef, Uid};

/// The record of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Pods that ran on a machine when it went down.
    pub killed_with_node: Vec<Killed>,
    /// Evictions that the server accepted, by pod; a repeated one of a pod that is leaving counts too.
    pub evictions: BTreeMap<Uid, u32>,
    /// Evictions that it refused.
    pub evictions_refused: u32,
    /// Pods that the client deleted past the eviction API.
    pub deletions: Vec<PodRef>,
    /// Moments at which a budget had fewer healthy pods than it promises.
    pub violations: Vec<Violation>,
    /// Nodes cordoned.
    pub cordons: Vec<Cordon>,
    /// Nodes uncordoned.
    pub uncordons: Vec<Uncordon>,
    /// Terminations that were asked for, in order.
    pub terminations: Vec<Termination>,
    /// Nodes that others had the group want more.
    pub grown: u32,
    /// Acts of the client on nodes and pods that are none of the group's.
    pub foreign: Vec<String>,
    /// The fewest nodes that served for the group at once, once it began.
    pub min_available: u32,
    /// The most nodes that the group had at once.
    pub max_nodes: u32,
    /// The most nodes of the group that were cordoned at once.
    pub max_cordoned: u32,
    /// Instances whose launch began.
    pub launched: BTreeSet<InstanceId>,
    /// Requests of the client.
    pub requests: u32,
}

/// A pod that died with its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killed {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub pod: PodRef,
    /// Where.
    pub node: NodeName,
    /// The machine.
    pub instance: Option<InstanceId>,
    /// Whether it should have left before: no DaemonSet's, not finished.
    pub must_leave: bool,
    /// Whether it was leaving already.
    pub leaving: bool,
    /// Who had asked the group to terminate that instance; none is a loss that nobody could have helped.
    pub asked: Option<Actor>,
}

/// Fewer healthy pods than promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Timestamp,
    /// Which budget.
    pub pdb: PdbRef,
    /// Healthy pods that were left.
    pub healthy: i32,
    /// Healthy pods that were promised.
    pub desired: i32,
    /// The pod whose loss did it.
    pub pod: PodRef,
    /// How it was lost.
    pub by: Loss,
}

/// How a healthy pod was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The client evicted it.
    Evicted,
    /// The client deleted it.
    Deleted,
    /// The client had its machine terminated.
    Terminated,
    /// Its machine was lost otherwise, or is not ready.
    NodeLost,
    /// Somebody else deleted it, or had its machine terminated.
    Admin,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever applies effects.
    Client,
    /// Somebody else.
    Admin,
}

/// A node was cordoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cordon {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub node: NodeName,
    /// By whom.
    pub by: Actor,
    /// Whether it served until then.
    pub was_available: bool,
    /// How many nodes of the group serve now.
    pub available: u32,
    /// How many the group wants now.
    pub desired: u32,
}

/// A node was uncordoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncordon {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub node: NodeName,
    /// By whom.
    pub by: Actor,
    /// Who had cordoned it; none is from before the world began.
    pub cordoned_by: Option<Actor>,
}

/// A termination was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub instance: InstanceId,
    /// By whom.
    pub by: Actor,
    /// Whether the group was to shrink by it.
    pub decrement: bool,
    /// Whether it was on its way out already.
    pub repeated: bool,
    /// Whether the group accepted it.
    pub accepted: bool,
    /// Pods that ran there and had to leave first, and when each was created.
    pub left: Vec<(PodRef, Timestamp)>,
}

impl Facts {
    /// Who cordoned this node last.
    #[must_use]
    pub fn cordoned_by(&self, node: &NodeName) -> Option<Actor> {
        self.cordons.iter().rev().find(|cordon| cordon.node == *node).map(|cordon| cordon.by)
    }

    /// Pods that died with a machine that the client asked to terminate, though they should have left before.
    pub fn killed_by_client(&self) -> impl Iterator<Item = &Killed> {
        self.killed_with_node.iter().filter(|killed| killed.must_leave && killed.asked == Some(Actor::Client))
    }

    /// Budgets that were broken by the client's own acts.
    pub fn violations_by_client(&self) -> impl Iterator<Item = &Violation> {
        self.violations
            .iter()
            .filter(|violation| matches!(violation.by, Loss::Evicted | Loss::Deleted | Loss::Terminated))
    }

    /// How often each instance was terminated by the client, repeated requests included.
    #[must_use]
    pub fn terminations_by_client(&self) -> BTreeMap<&InstanceId, u32> {
        let mut counts = BTreeMap::new();
        for termination in self.terminations.iter().filter(|termination| termination.by == Actor::Client) {
            *counts.entry(&termination.instance).or_default() += 1;
        }
        counts
    }
}
