//! What a run did, node by node: a pure fold of records, for endings and summaries.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::waits::Waits;
use crate::{
    domain::{ClusterName, GroupName, InstanceId, NodeName, PodRef, RunId, elapsed},
    engine::event::{DeletedFor, Event, Member, Record, RunOutcome, Stuck},
};

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Its cluster, once a record named it.
    pub cluster: Option<ClusterName>,
    /// Its group.
    pub group: Option<GroupName>,
    /// The run.
    pub run: Option<RunId>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// The newest record.
    pub last_at: Option<Timestamp>,
    /// How often it was resumed.
    pub resumed: u32,
    /// Its nodes, in the order of their turns.
    pub nodes: Vec<NodeHistory>,
    /// Extra nodes that served.
    pub surge_served: u32,
    /// Evictions that the API server accepted.
    pub evicted: u32,
    /// Evictions that it refused.
    pub refused: u32,
    /// Pods that left.
    pub gone: u32,
    /// Pods that were deleted without asking their budget.
    pub deleted: Vec<DeletedPod>,
    /// Who waited for what.
    pub waits: Waits,
    /// What went wrong, with the node it is about.
    pub stuck: Vec<(Option<Member>, Stuck)>,
    /// How it ended, how many old nodes are left, and how many this run replaced.
    pub ended: Option<Ended>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: RunOutcome,
    /// When.
    pub at: Timestamp,
    /// Old nodes that are left.
    pub left: u32,
}

/// A pod that was deleted without asking its budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletedPod {
    /// Whom.
    pub pod: PodRef,
    /// From where.
    pub node: NodeName,
    /// By which consent.
    pub why: DeletedFor,
}

/// What became of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHistory {
    /// Which.
    pub member: Member,
    /// When its turn came.
    pub chosen_at: Timestamp,
    /// When nothing that must leave was left.
    pub drained_at: Option<Timestamp>,
    /// When its termination was asked for.
    pub terminating_at: Option<Timestamp>,
    /// When its instance had left.
    pub left_at: Option<Timestamp>,
    /// When it was replaced, or gone for good.
    pub replaced_at: Option<Timestamp>,
    /// By whom.
    pub by: Option<NodeName>,
    /// Pods that left it.
    pub pods: u32,
    /// Evictions that were refused.
    pub refused: u32,
    /// Pods that were deleted.
    pub deleted: u32,
    /// Where it is.
    pub fate: Fate,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its turn is not over.
    InFlight,
    /// A new node serves in its stead, or the group shrank by it.
    Replaced,
    /// It stays cordoned.
    Quarantined,
    /// It was given back.
    Released,
    /// It left without us: a spot loss, or somebody else.
    Lost,
}

impl NodeHistory {
    fn new(member: Member, chosen_at: Timestamp) -> Self {
        Self {
            member,
            chosen_at,
            drained_at: None,
            terminating_at: None,
            left_at: None,
            replaced_at: None,
            by: None,
            pods: 0,
            refused: 0,
            deleted: 0,
            fate: Fate::InFlight,
        }
    }

    /// How long each step took, in order: drain, settle, terminate, replace.
    #[must_use]
    pub fn steps(&self) -> [Option<Duration>; 4] {
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| Some(elapsed(from?, to?));
        [
            between(Some(self.chosen_at), self.drained_at),
            between(self.drained_at, self.terminating_at),
            between(self.terminating_at, self.left_at),
            between(self.left_at, self.replaced_at),
        ]
    }
}

impl History {
    /// All of it at once.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut history = Self::default();
        for record in records {
            history.record(record);
        }
        history
    }

    /// Nodes that were replaced.
    pub fn replaced(&self) -> impl Iterator<Item = &NodeHistory> {
        self.nodes.iter().filter(|node| node.fate == Fate::Replaced)
    }

    /// Takes in one record.
    pub fn record(&mut self, record: &Record) {
        let at = record.at;
        self.last_at = Some(at);
        self.waits.record(record);
        match &record.event {
            Event::RunStarted { intent, .. } | Event::RunResumed { intent, .. } => {
                self.cluster = Some(intent.cluster.clone());
                self.group = Some(intent.group.clone());
                self.run = Some(intent.run.clone());
                self.started_at = Some(intent.started_at);
                self.resumed += u32::from(matches!(record.event, Event::RunResumed { .. }));
                self.ended = None;
                self.stuck.clear();
            }
            Event::NodeChosen { member, .. } => {
                self.node(member, at);
            }
            Event::PodEvicted { .. } => self.evicted += 1,
            Event::PodRefused { node, .. } => {
                self.refused += 1;
                self.named(node, |node| node.refused += 1);
            }
            Event::PodDeleted { pod, node, why } => {
                self.deleted.push(DeletedPod { pod: pod.clone(), node: node.clone(), why: *why });
                self.named(node, |node| node.deleted += 1);
            }
            Event::PodGone { node, .. } => {
                self.gone += 1;
                self.named(node, |node| node.pods += 1);
            }
            Event::NodeDrained { node, pods, .. } => self.named(node, |node| {
                node.drained_at = Some(at);
                // After a resume only the engine knows those that left before.
                node.pods = node.pods.max(*pods);
            }),
            Event::Terminating { member, .. } => self.node(member, at).terminating_at = Some(at),
            Event::InstanceLeft { member, ours } => {
                let node = self.node(member, at);
                node.left_at = Some(at);
                if !ours {
                    node.fate = Fate::Lost;
                }
            }
            Event::Serves { replaces: None, .. } => self.surge_served += 1,
            Event::Replaced { member, by, .. } => {
                let node = self.node(member, at);
                node.replaced_at = Some(at);
                node.by.clone_from(by);
                node.fate = Fate::Replaced;
            }
            Event::NodeStuck { member, why } => self.stuck.push((member.clone(), why.clone())),
            Event::NodeReleased { node } => self.named(node, |node| node.fate = Fate::Released),
            Event::NodeQuarantined { node } => self.named(node, |node| node.fate = Fate::Quarantined),
            Event::RunEnded { outcome, left, .. } => {
                self.ended = Some(Ended { outcome: outcome.clone(), at, left: *left });
            }
            Event::Phase { .. }
            | Event::SurgeRequested { .. }
            | Event::SurgeUnavailable { .. }
            | Event::AzRebalance { .. }
            | Event::NodeCordoned { .. }
            | Event::PodLandedBack { .. }
            | Event::TerminateUnknown { .. }
            | Event::Launched { .. }
            | Event::Joined { .. }
            | Event::Serves { replaces: Some(_), .. }
            | Event::NodeUncordonedByOther { .. }
            | Event::Waiting { .. }
            | Event::ActFailed { .. }
            | Event::Warning { .. }
            | Event::StopRequested
            | Event::Issued(_)
            | Event::EvictionSent(_) => {}
        }
    }

    /// The node's history; begins one where its turn came unseen, as after a resume on another machine.
    fn node(&mut self, member: &Member, at: Timestamp) -> &mut NodeHistory {
        let known = self.position(&member.instance);
        let index = match known {
            Some(index) if self.nodes[index].fate != Fate::Released => index,
            // Its turn came once more after it was given back: that is another story.
            Some(_) | None => {
                self.nodes.push(NodeHistory::new(member.clone(), at));
                self.nodes.len() - 1
            }
        };
        &mut self.nodes[index]
    }

    fn named(&mut self, name: &NodeName, change: impl FnOnce(&mut NodeHistory)) {
        if let Some(node) = self.nodes.iter_mut().rev().find(|node| node.member.node.as_ref() == Some(name)) {
            change(node);
        }
    }

    fn position(&self, instance: &InstanceId) -> Option<usize> {
        self.nodes.iter().rposition(|node| node.member.instance == *instance)
    }
}
