//! What a run did, node by node: a pure fold of records, for endings and summaries.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{codes, waits::Waits};
use crate::{
    domain::{ClusterName, Diagnosis, Finding, GroupName, InstanceId, NodeName, PodRef, RunId, Uid, elapsed},
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
    /// The only nodes that were to be replaced; empty means all old ones.
    pub only: Vec<NodeName>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// The newest record.
    pub last_at: Option<Timestamp>,
    /// How often it was resumed.
    pub resumed: u32,
    /// Its nodes, in the order of their turns.
    pub nodes: Vec<NodeHistory>,
    /// Members that it may replace, by name: after a resume the turn of some came unseen.
    members: BTreeMap<NodeName, Member>,
    /// Extra nodes that served.
    pub surge_served: u32,
    /// Evictions that the API server accepted.
    pub evicted: u32,
    /// Evictions that it refused.
    pub refused: u32,
    /// Pods that were deleted without asking their budget.
    pub deleted: Vec<DeletedPod>,
    /// Pods that were still there when their node was terminated, by force.
    pub went_down: Vec<(PodRef, NodeName)>,
    /// Who waited for what.
    pub waits: Waits,
    /// What went wrong, with the node it is about.
    pub stuck: Vec<(Option<Member>, Stuck)>,
    /// What was found at the bottom of each of them.
    pub causes: Vec<Vec<Finding>>,
    /// What was found last.
    diagnosis: Option<Diagnosis>,
    /// What was warned of, each once.
    pub warnings: Vec<String>,
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
    /// Evictions that were refused.
    pub refused: u32,
    /// Pods that were deleted.
    pub deleted: BTreeSet<Uid>,
    /// Whether somebody else had cordoned it before; none where that was not seen.
    pub cordoned_by_other: Option<bool>,
    /// Where it is.
    pub fate: Fate,
    /// Pods that were asked to leave it and whose leaving was not seen.
    asked: BTreeSet<Uid>,
    /// Pods that left it.
    gone: BTreeSet<Uid>,
    /// How many pods left it, in the words of the engine.
    counted: u32,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its turn is not over.
    InFlight,
    /// A new node serves instead of it, or the group shrank by it.
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
            refused: 0,
            deleted: BTreeSet::new(),
            cordoned_by_other: None,
            fate: Fate::InFlight,
            asked: BTreeSet::new(),
            gone: BTreeSet::new(),
            counted: 0,
        }
    }

    /// Pods that left it.
    #[must_use]
    pub fn pods(&self) -> u32 {
        // After a resume only the engine knows those that left before.
        u32::try_from(self.gone.len()).unwrap_or(u32::MAX).max(self.counted)
    }

    /// Pods that left it with their budget's leave.
    fn moved(&self) -> u32 {
        let deleted = self.deleted.intersection(&self.gone).count();
        self.pods().saturating_sub(u32::try_from(deleted).unwrap_or(u32::MAX))
    }

    fn ask(&mut self, pod: &PodRef) {
        // The answer to an eviction may come after the pod is gone, and its node empty.
        if self.drained_at.is_some() {
            self.gone.insert(pod.uid.clone());
        } else if !self.gone.contains(&pod.uid) {
            self.asked.insert(pod.uid.clone());
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

    /// How long each step took on average, in order; nothing where no node has taken it.
    #[must_use]
    pub fn usual_steps(&self) -> [Duration; 4] {
        let all: Vec<_> = self.replaced().map(NodeHistory::steps).collect();
        [0, 1, 2, 3].map(|step| {
            let took: Vec<Duration> = all.iter().filter_map(|steps| steps[step]).collect();
            let count = u32::try_from(took.len()).unwrap_or(u32::MAX);
            took.iter().sum::<Duration>().checked_div(count).unwrap_or_default()
        })
    }

    /// Nodes that were replaced.
    pub fn replaced(&self) -> impl Iterator<Item = &NodeHistory> {
        self.nodes.iter().filter(|node| node.fate == Fate::Replaced)
    }

    /// Pods that left a node with their budget's leave; those that were deleted count among these instead.
    #[must_use]
    pub fn moved(&self) -> u32 {
        self.nodes.iter().map(NodeHistory::moved).sum()
    }

    /// Whether somebody else cordoned this node, so that it stays cordoned when the run gives it back; none where the
    /// cordon came before what is known.
    #[must_use]
    pub fn cordoned_by_other(&self, node: &NodeName) -> Option<bool> {
        self.nodes.iter().rev().find(|known| known.member.node.as_ref() == Some(node))?.cordoned_by_other
    }

    /// Takes in one record.
    pub fn record(&mut self, record: &Record) {
        let at = record.at;
        self.last_at = Some(at);
        self.waits.record(record);
        match &record.event {
            Event::RunStarted { intent, old } | Event::RunResumed { intent, old } => {
                let named = old.iter().filter_map(|old| Some((old.member.node.clone()?, old.member.clone())));
                self.members.extend(named);
                self.cluster = Some(intent.cluster.clone());
                self.group = Some(intent.group.clone());
                self.run = Some(intent.run.clone());
                self.only = intent.policy.only.iter().cloned().collect();
                self.started_at = Some(intent.started_at);
                self.resumed += u32::from(matches!(record.event, Event::RunResumed { .. }));
                self.ended = None;
                self.stuck.clear();
                self.causes.clear();
            }
            Event::NodeChosen { member, .. } => {
                self.node(member, at);
            }
            Event::PodEvicted { pod, node } => {
                self.evicted += 1;
                self.named(node, at, |node| node.ask(pod));
            }
            Event::PodRefused { node, .. } => {
                self.refused += 1;
                self.named(node, at, |node| node.refused += 1);
            }
            Event::PodDeleted { pod, node, why } => {
                // A deletion whose answer was lost is sent again.
                if self.deleted.iter().all(|known| known.pod.uid != pod.uid) {
                    self.deleted.push(DeletedPod { pod: pod.clone(), node: node.clone(), why: *why });
                }
                self.named(node, at, |node| {
                    node.deleted.insert(pod.uid.clone());
                    node.ask(pod);
                });
            }
            Event::PodGoesDown { pod, node } => self.went_down.push((pod.clone(), node.clone())),
            Event::NodeCordoned { node, ours } => self.named(node, at, |node| node.cordoned_by_other = Some(!ours)),
            Event::NodeUncordonedByOther { node } => self.named(node, at, |node| node.cordoned_by_other = Some(false)),
            Event::PodGone { pod, node, .. } => self.named(node, at, |node| {
                node.asked.remove(&pod.uid);
                node.gone.insert(pod.uid.clone());
            }),
            Event::NodeDrained { node, pods, .. } => self.named(node, at, |node| {
                node.drained_at = Some(at);
                // It is empty: whoever was asked is gone, seen or not.
                let asked = std::mem::take(&mut node.asked);
                node.gone.extend(asked);
                node.counted = node.counted.max(*pods);
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
            Event::NodeStuck { member, why } => {
                let causes = self.diagnosis.as_ref().map(|found| codes::causes_of(found, why)).unwrap_or_default();
                self.causes.push(causes);
                self.stuck.push((member.clone(), why.clone()));
            }
            Event::Diagnosed { diagnosis } => self.diagnosis = Some((**diagnosis).clone()),
            Event::NodeReleased { node } => self.named(node, at, |node| node.fate = Fate::Released),
            Event::NodeQuarantined { node } => self.named(node, at, |node| node.fate = Fate::Quarantined),
            Event::Warning { message } => {
                if !self.warnings.contains(message) {
                    self.warnings.push(message.clone());
                }
            }
            Event::RunEnded { outcome, left, .. } => {
                self.ended = Some(Ended { outcome: outcome.clone(), at, left: *left });
            }
            Event::Phase { .. }
            | Event::SurgeRequested { .. }
            | Event::SurgeUnavailable { .. }
            | Event::AzRebalance { .. }
            | Event::PodLandedBack { .. }
            | Event::TerminateUnknown { .. }
            | Event::Launched { .. }
            | Event::Joined { .. }
            | Event::Serves { replaces: Some(_), .. }
            | Event::Waiting { .. }
            | Event::ActFailed { .. }
            | Event::StopRequested
            | Event::GivingBack { .. }
            | Event::Noted(_) => {}
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

    fn named(&mut self, name: &NodeName, at: Timestamp, change: impl FnOnce(&mut NodeHistory)) {
        let known = self.nodes.iter().rposition(|node| node.member.node.as_ref() == Some(name));
        if let Some(index) = known {
            change(&mut self.nodes[index]);
        } else if let Some(member) = self.members.get(name).cloned() {
            change(self.node(&member, at));
        }
    }

    fn position(&self, instance: &InstanceId) -> Option<usize> {
        self.nodes.iter().rposition(|node| node.member.instance == *instance)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::fixtures::{Tale, member, node, pod};

    #[test]
    fn a_pod_counts_once_whether_its_eviction_was_answered_before_or_after_it_was_gone() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 1);
        tale.pods(5, 1, 2);
        tale.tell(8, Event::PodEvicted { pod: pod("seen-no-more"), node: node(1, 1) });
        tale.drained(9, 1, 2);
        tale.tell(10, Event::PodEvicted { pod: pod("answered-late"), node: node(1, 1) });
        let history = History::of(&tale.0);
        assert_eq!((history.moved(), history.evicted), (4, 4));
    }

    #[test]
    fn a_pod_that_was_evicted_and_then_deleted_counts_as_deleted() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 1);
        tale.pods(5, 1, 2);
        tale.tell(8, Event::PodEvicted { pod: pod("slow"), node: node(1, 1) });
        for seconds in [900, 930] {
            let why = crate::engine::event::DeletedFor::Force;
            tale.tell(seconds, Event::PodDeleted { pod: pod("slow"), node: node(1, 1), why });
        }
        assert_eq!(History::of(&tale.0).moved(), 2);
        tale.tell(931, Event::PodGone { pod: pod("slow"), node: node(1, 1), after: Duration::from_secs(927) });
        tale.drained(932, 1, 3);
        let history = History::of(&tale.0);
        assert_eq!((history.moved(), history.deleted.len(), history.nodes[0].pods()), (2, 1, 3));
    }

    #[test]
    fn pods_of_a_node_whose_turn_came_before_a_resume_count_too() {
        let mut tale = Tale::default();
        let evidence = crate::engine::event::Evidence::NoTemplate;
        let old = vec![crate::engine::event::OldNode { member: member(1), evidence }];
        let intent = crate::report::fixtures::intent(3);
        tale.tell(0, Event::RunResumed { intent: Box::new(intent), old });
        tale.tell(1, Event::PodGone { pod: pod("a"), node: node(1, 1), after: Duration::from_secs(9) });
        assert_eq!(History::of(&tale.0).moved(), 1);
    }
}
