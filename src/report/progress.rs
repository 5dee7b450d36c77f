//! Where a run is: a pure fold of records, read by bars, `status` and endings.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    history::History,
    in_flight::{InFlight, Stage, Waiting},
    names::Names,
};
use crate::{
    domain::{Diagnosis, InstanceId, Intent, NodeName, Policy, Size, elapsed},
    engine::{
        event::{Event, Member, Record},
        phase::RunPhase,
    },
};

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it did.
    pub history: History,
    /// How to say node names.
    pub names: Names,
    /// The phase of the run.
    pub phase: Option<RunPhase>,
    /// Nodes to replace, those included that are done.
    pub total: u32,
    /// Nodes that are replaced, or left for good.
    pub done: u32,
    /// Nodes whose turn it is, the oldest turn first.
    pub in_flight: Vec<InFlight>,
    /// Nodes that stay cordoned.
    pub quarantined: Vec<NodeName>,
    /// Extra nodes that were asked for and can be had.
    pub surge: u32,
    /// Whether the run is undone and not gone on with; no record tells.
    pub undoing: bool,
    /// The group's size as it was last seen; no record tells.
    pub size: Option<Size>,
    intent: Option<Intent>,
    /// Members that are counted in `total`.
    counted: BTreeSet<InstanceId>,
    /// Instances that came while it ran.
    newcomers: BTreeSet<InstanceId>,
    /// Members that go so that the group gets back to its size.
    shed: BTreeSet<InstanceId>,
    /// Why it does not move, as it was found last.
    pub diagnosis: Option<Diagnosis>,
    /// The same of the moments at which patience with a node ended.
    pub diagnosed: Vec<Diagnosis>,
    /// What is waited for beside the nodes in flight, by who does: the run as a whole, or an extra node that comes.
    pub waiting: BTreeMap<String, Waiting>,
    /// When the undoing began.
    since: Option<Timestamp>,
    /// Whether anything was changed in the cluster or the group.
    pub touched: bool,
    /// Whether the user asked to stop.
    pub stopping: bool,
}

impl Progress {
    /// The undoing of a run, of which nothing was told yet.
    #[must_use]
    pub fn undoing() -> Self {
        Self { undoing: true, ..Self::default() }
    }

    /// All of it at once.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut progress = Self::default();
        for record in records {
            progress.record(record);
        }
        progress
    }

    /// The same, the group being of this size.
    #[must_use]
    pub fn at_size(self, size: Option<Size>) -> Self {
        Self { size, ..self }
    }

    /// The same, so many of the nodes that are gone not being replaced yet: a cluster shows who is left, not who came.
    #[must_use]
    pub fn short_of(self, missing: u32) -> Self {
        Self { done: self.done.saturating_sub(missing), ..self }
    }

    /// Old nodes that are left, those in flight included.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.total.saturating_sub(self.done)
    }

    /// How long the run has gone on at `now`, or took.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        let until = self.history.ended.as_ref().map_or(now, |ended| ended.at);
        self.since.or(self.history.started_at).map_or(Duration::ZERO, |since| elapsed(since, until))
    }

    /// The group's size before the run and now, while the run keeps it larger; with a maximum that it had to raise.
    #[must_use]
    pub fn grown(&self) -> Option<(Size, Size)> {
        let (intent, now) = (self.intent.as_ref()?, self.size?);
        (intent.extra(now) > 0).then_some((intent.size, now))
    }

    /// How the run goes.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.intent.as_ref().map(|intent| &intent.policy)
    }

    /// Whether it goes, or went, only so that the group gets back to its size.
    #[must_use]
    pub fn is_shed(&self, member: &Member) -> bool {
        self.shed.contains(&member.instance)
    }

    /// How long it will still take, from the average of the nodes that are done and the lanes they go in; none
    /// before the first is done, nor while a node stands still: nobody knows for how long.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let took: Vec<_> =
            self.history.replaced().filter_map(|node| Some(elapsed(node.chosen_at, node.replaced_at?))).collect();
        let count = u32::try_from(took.len()).ok().filter(|count| *count > 0)?;
        let average = took.iter().sum::<Duration>() / count;
        if self.in_flight.iter().any(|flight| flight.stands_still(average, now, self.diagnosis.as_ref())) {
            return None;
        }
        let in_flight: Vec<_> =
            self.in_flight.iter().map(|node| average.saturating_sub(elapsed(node.chosen_at, now))).collect();
        let spoken_for = u32::try_from(self.in_flight.len() + self.quarantined.len()).unwrap_or(u32::MAX);
        let pending = self.left().saturating_sub(spoken_for);
        let work = average * pending + in_flight.iter().sum::<Duration>();
        let at_least = self.in_flight.iter().map(|flight| self.at_least(flight, now));
        let slowest = in_flight.into_iter().chain(at_least).max().unwrap_or_default();
        // Where nodes take longer than those before them nobody knows how much longer.
        Some((work / self.lanes()).max(slowest)).filter(|remaining| !remaining.is_zero() || self.left() == 0)
    }

    /// What is still before this node whatever time it has taken so far: the rest of its settling, and the steps behind
    /// that, each as long as it took those that are done.
    fn at_least(&self, flight: &InFlight, now: Timestamp) -> Duration {
        let [_, _, terminate, replace] = self.history.usual_steps();
        let settle = self.patience(|policy| policy.post_drain_delay).unwrap_or_default();
        let spent = elapsed(flight.since, now);
        match flight.stage {
            Stage::Cordoning | Stage::Draining => settle + terminate + replace,
            Stage::Settling => settle.saturating_sub(spent) + terminate + replace,
            Stage::Terminating => terminate.saturating_sub(spent) + replace,
            Stage::Replacing => replace.saturating_sub(spent),
            Stage::Stuck => Duration::ZERO,
        }
    }

    /// How many nodes can be out at a time.
    fn lanes(&self) -> u32 {
        let lanes = self.intent.as_ref().map_or(1, |intent| intent.limits.max_unavailable.saturating_add(self.surge));
        lanes.clamp(1, self.left().max(1))
    }

    fn patience(&self, of: impl FnOnce(&Policy) -> Duration) -> Option<Duration> {
        self.intent.as_ref().map(|intent| of(&intent.policy))
    }

    /// Takes in one record.
    pub fn record(&mut self, record: &Record) {
        let at = record.at;
        self.history.record(record);
        self.touched |= touches(&record.event);
        match &record.event {
            Event::RunStarted { intent, old } | Event::RunResumed { intent, old } => {
                let left = u32::try_from(old.len()).unwrap_or(u32::MAX);
                for node in old.iter().filter_map(|old| old.member.node.as_ref()) {
                    self.names.learn(node);
                }
                self.total = intent.old.max(left);
                self.counted = old.iter().map(|old| old.member.instance.clone()).collect();
                self.done = self.total - left;
                self.surge = intent.surge;
                self.intent = Some((**intent).clone());
                if self.undoing {
                    self.since = Some(at);
                }
                self.in_flight.clear();
                self.diagnosis = None;
                self.waiting.clear();
                self.stopping = false;
            }
            Event::Phase { phase } => self.phase = Some(*phase),
            Event::SurgeRequested { nodes, max, .. } => {
                self.surge = *nodes;
                if let Some(intent) = &mut self.intent {
                    intent.surge = *nodes;
                    intent.raised_max = max.or(intent.raised_max);
                }
            }
            Event::SurgeUnavailable { .. } => self.surge = 0,
            Event::NodeChosen { member, shrink, .. } => {
                self.waiting.retain(|who, _| is_of_a_node(who));
                if *shrink {
                    self.shed.insert(member.instance.clone());
                } else if self.counted.insert(member.instance.clone()) {
                    // Its template was the target when the run began: that changed meanwhile, and made more nodes old.
                    self.total += 1;
                }
                let stage = if member.node.is_some() { Stage::Cordoning } else { Stage::Terminating };
                self.enter(member, stage, at);
            }
            Event::NodeCordoned { node, .. } => {
                let patience = self.patience(|policy| policy.drain_timeout);
                self.named(node, |flight| flight.enter(Stage::Draining, at, patience));
            }
            Event::PodGone { node, .. } => self.named(node, |flight| {
                flight.pods_gone += 1;
                flight.pods_left = flight.pods_left.map(|left| left.saturating_sub(1));
            }),
            Event::PodLandedBack { node, .. } => {
                self.named(node, |flight| flight.pods_left = flight.pods_left.map(|left| left + 1));
            }
            Event::NodeDrained { node, .. } => {
                let patience = self.patience(|policy| policy.post_drain_delay);
                self.named(node, |flight| flight.enter(Stage::Settling, at, patience));
            }
            Event::Terminating { member, .. } => self.enter(member, Stage::Terminating, at),
            Event::Launched { instance, .. } => drop(self.newcomers.insert(instance.clone())),
            // One that is lost on its way in was nobody's turn: whom it came for is awaited as before.
            Event::InstanceLeft { member, .. } if self.only_came(member) => {}
            Event::InstanceLeft { member, .. } => self.enter(member, Stage::Replacing, at),
            Event::Joined { node, .. } | Event::Serves { node, .. } => self.names.learn(node),
            Event::Replaced { member, .. } => {
                self.leave(member);
                if !self.is_shed(member) {
                    self.done = (self.done + 1).min(self.total);
                }
            }
            Event::NodeStuck { member, .. } => {
                // A node that is given back takes what held it out of sight.
                self.diagnosed.extend(self.diagnosis.clone());
                if let Some(member) = member {
                    self.enter(member, Stage::Stuck, at);
                }
            }
            Event::NodeReleased { node } => self.in_flight.retain(|flight| flight.member.node.as_ref() != Some(node)),
            Event::NodeQuarantined { node } => {
                self.in_flight.retain(|flight| flight.member.node.as_ref() != Some(node));
                if !self.quarantined.contains(node) {
                    self.quarantined.push(node.clone());
                }
            }
            Event::Waiting { who, on, since, until, pods_left } => {
                let waiting = Waiting { on: on.clone(), since: *since, until: *until };
                match self.in_flight.iter_mut().find(|flight| flight.member.title() == *who) {
                    Some(flight) => {
                        flight.pods_left = pods_left.or(flight.pods_left);
                        flight.waiting = Some(waiting).filter(|waiting| !waiting.on.is_empty());
                    }
                    None if on.is_empty() => drop(self.waiting.remove(who)),
                    None => drop(self.waiting.insert(who.clone(), waiting)),
                }
            }
            Event::Diagnosed { diagnosis } => self.diagnosis = Some((**diagnosis).clone()),
            Event::StopRequested => self.stopping = true,
            Event::RunEnded { .. } => self.waiting.clear(),
            Event::PodEvicted { .. }
            | Event::PodRefused { .. }
            | Event::PodDeleted { .. }
            | Event::PodGoesDown { .. }
            | Event::AzRebalance { .. }
            | Event::TerminateUnknown { .. }
            | Event::NodeUncordonedByOther { .. }
            | Event::ActFailed { .. }
            | Event::Warning { .. }
            | Event::GivingBack { .. }
            | Event::Noted(_) => {}
        }
    }

    fn enter(&mut self, member: &Member, stage: Stage, at: Timestamp) {
        if let Some(node) = &member.node {
            self.names.learn(node);
        }
        let patience = match stage {
            Stage::Replacing => self.patience(|policy| policy.replacement_timeout),
            Stage::Cordoning | Stage::Draining | Stage::Settling | Stage::Terminating | Stage::Stuck => None,
        };
        match self.in_flight.iter_mut().find(|flight| flight.member.instance == member.instance) {
            Some(flight) => flight.enter(stage, at, patience),
            // After a resume the first word of a node may come from the middle of its turn.
            None => self.in_flight.push(InFlight::new(member.clone(), stage, at, patience)),
        }
    }

    /// Whether it came while the run went on, and it was not its turn since: that of a newcomer comes where the template
    /// moves again.
    fn only_came(&self, member: &Member) -> bool {
        let its_turn = self.in_flight.iter().any(|flight| flight.member.instance == member.instance);
        !its_turn && self.newcomers.contains(&member.instance)
    }

    fn leave(&mut self, member: &Member) {
        self.in_flight.retain(|flight| flight.member.instance != member.instance);
    }

    fn named(&mut self, name: &NodeName, change: impl FnOnce(&mut InFlight)) {
        if let Some(flight) = self.in_flight.iter_mut().find(|flight| flight.member.node.as_ref() == Some(name)) {
            change(flight);
        }
    }
}

/// Whether this tells of a change in the cluster or the group.
fn touches(event: &Event) -> bool {
    matches!(
        event,
        Event::RunResumed { .. }
            | Event::SurgeRequested { .. }
            | Event::AzRebalance { .. }
            | Event::NodeCordoned { .. }
            | Event::PodEvicted { .. }
            | Event::PodDeleted { .. }
            | Event::Terminating { .. }
    )
}

/// Whether a node waits, or an instance that is to become one, and not the run as a whole.
pub(super) fn is_of_a_node(who: &str) -> bool {
    who.starts_with("node/") || who.starts_with("instance/")
}

#[cfg(test)]
mod tests;
