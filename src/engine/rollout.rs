//! The state of a run, and how events change it. Nothing here decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    choose::asked,
    effect::{Effect, EffectKey},
    event::{Event, Note, RunOutcome, Stuck},
    phase::{Call, NodePhase, RunPhase},
    waiting::WaitingOn,
};
use crate::{
    domain::{Group, Instance, InstanceId, Intent, LaunchTarget, Member, NodeName, PodRef, Size, Snapshot, Uid, later},
    drain::Ledger,
    plan::evidence,
};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Replace every old node.
    Upgrade,
    /// Undo what the run did, and only that.
    Abort,
}

/// A run: what it means to do, where it is, and what is under way.
#[derive(Clone, Debug)]
pub struct Rollout {
    pub(super) goal: Goal,
    pub(super) intent: Intent,
    /// What the cluster is known to remember.
    pub(super) saved: Option<Intent>,
    pub(super) forgotten: bool,
    pub(super) phase: RunPhase,
    pub(super) flights: BTreeMap<InstanceId, Flight>,
    /// Launches that the group owes us.
    pub(super) owed: Vec<Owed>,
    /// New instances that do not serve yet.
    pub(super) arrivals: BTreeMap<InstanceId, Arrival>,
    /// Instances that were seen before; whatever is not among them is new.
    pub(super) known: BTreeSet<InstanceId>,
    /// When the group was read last, and its desired size then.
    pub(super) group_seen: Option<(Timestamp, u32)>,
    /// Instances that the group was asked to shrink by, and has not been seen to.
    pub(super) shrinking: BTreeSet<InstanceId>,
    /// By how many it is known to have shrunk since it was read.
    pub(super) shrunk: u32,
    /// Nodes that it was to shrink by and that could not be drained.
    pub(super) unshrunk: u32,
    pub(super) shielded: BTreeSet<NodeName>,
    pub(super) quarantined: BTreeMap<InstanceId, Member>,
    /// Given back after a failed drain; not chosen again by this run.
    pub(super) given_up: BTreeSet<InstanceId>,
    pub(super) outstanding: BTreeSet<EffectKey>,
    pub(super) retry_at: BTreeMap<EffectKey, Timestamp>,
    /// How often in a row an act failed.
    pub(super) failures: BTreeMap<EffectKey, u32>,
    /// A size that was asked for and that the group does not show yet; a max of 0 leaves the maximum alone.
    pub(super) resize: Option<Size>,
    /// So many more than others want, once a reading younger than this shows how many that is.
    pub(super) resize_anew: Option<(u32, Timestamp)>,
    pub(super) surge_denied: bool,
    pub(super) shed_denied: bool,
    /// What was done last about each thing, and when: until the world shows it, it is not done again.
    pub(super) recent: BTreeMap<EffectKey, (Effect, Timestamp)>,
    pub(super) ledger: Ledger,
    /// Pods whose eviction was sent and not answered, and the node they were on.
    pub(super) asked: BTreeMap<Uid, NodeName>,
    /// What the group would launch, when it was read last.
    pub(super) target: Option<LaunchTarget>,
    /// Extended resources that every old node offered: a new one that replaces none of them must offer these.
    pub(super) extended: BTreeSet<String>,
    /// Instances that came since the run began here; shielded from the cluster autoscaler while it rolls.
    pub(super) fresh: BTreeSet<InstanceId>,
    pub(super) stop: Option<RunOutcome>,
    /// The user asked, whatever it stops for.
    pub(super) asked_to_stop: bool,
    pub(super) ended: Option<RunOutcome>,
    pub(super) replaced: u32,
    pub(super) last_choice: Option<Timestamp>,
    pub(super) told: BTreeMap<String, Told>,
}

/// One node in flight.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Which.
    pub member: Member,
    /// When its turn came.
    pub chosen_at: Timestamp,
    /// Where it is.
    pub phase: NodePhase,
    /// Pods that were asked to leave by us and are not gone.
    pub(super) leaving: BTreeMap<Uid, PodRef>,
    /// Pods that left since its turn came.
    pub(super) moved: u32,
    /// Pods that came onto it although it is cordoned.
    pub(super) landed: BTreeMap<Uid, String>,
    /// When the cordon was confirmed; none while it is not, or when somebody undid it.
    pub(super) cordoned_at: Option<Timestamp>,
    /// Since when what is left on it is deleted by force.
    pub(super) forced_at: Option<Timestamp>,
    /// Whether it leaves only so that the group gets back to its size.
    pub(super) shrink: bool,
    /// Extended resources that its replacement must offer.
    pub(super) extended: BTreeMap<String, u64>,
}

/// A launch that the group owes us.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    pub(super) replaces: Option<Member>,
    pub(super) since: Timestamp,
}

/// A new instance that does not serve yet.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) replaces: Option<Member>,
    /// Since when it is owed: the patience of the replacement timeout.
    pub(super) owed_since: Timestamp,
    pub(super) first_seen: Timestamp,
    pub(super) joined: Option<NodeName>,
}

/// What was last told about who waits.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) since: Timestamp,
    pub(super) on: Vec<WaitingOn>,
}

impl Rollout {
    /// A run that begins.
    #[must_use]
    pub fn begin(intent: Intent, snapshot: &Snapshot) -> Self {
        let known = snapshot.group().map(|group| group.instances.keys().cloned().collect()).unwrap_or_default();
        Self {
            goal: Goal::Upgrade,
            intent,
            saved: None,
            forgotten: false,
            phase: RunPhase::Preflight,
            flights: BTreeMap::new(),
            owed: Vec::new(),
            arrivals: BTreeMap::new(),
            known,
            group_seen: None,
            shrinking: BTreeSet::new(),
            shrunk: 0,
            unshrunk: 0,
            shielded: BTreeSet::new(),
            quarantined: BTreeMap::new(),
            given_up: BTreeSet::new(),
            outstanding: BTreeSet::new(),
            retry_at: BTreeMap::new(),
            failures: BTreeMap::new(),
            resize: None,
            resize_anew: None,
            surge_denied: false,
            shed_denied: false,
            recent: BTreeMap::new(),
            ledger: Ledger::default(),
            asked: BTreeMap::new(),
            target: snapshot.group().map(|group| group.target.clone()),
            extended: offered_by_all_old(snapshot),
            fresh: BTreeSet::new(),
            stop: None,
            asked_to_stop: false,
            ended: None,
            replaced: 0,
            last_choice: None,
            told: BTreeMap::new(),
        }
    }

    /// What the run means to do.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> RunPhase {
        self.phase
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<&RunOutcome> {
        self.ended.as_ref()
    }

    /// Nodes replaced since it began or was resumed here.
    #[must_use]
    pub fn replaced(&self) -> u32 {
        self.replaced
    }

    /// Nodes in flight, by instance.
    #[must_use]
    pub fn flights(&self) -> &BTreeMap<InstanceId, Flight> {
        &self.flights
    }

    /// What it stops for, once it does.
    #[must_use]
    pub fn stopping(&self) -> Option<&RunOutcome> {
        self.stop.as_ref()
    }

    /// Whether its turn may come, or has come, so that it matters whether it is a Node under other labels.
    #[must_use]
    pub fn may_take(&self, instance: &Instance, group: &Group) -> bool {
        let launched_by_us = self.fresh.contains(&instance.id);
        let old = evidence(instance, group).is_some() || self.intent.policy.all_nodes && !launched_by_us;
        old || self.flights.contains_key(&instance.id)
    }

    /// Members that the run has taken out: in flight, or quarantined.
    #[must_use]
    pub fn taken(&self) -> BTreeSet<&InstanceId> {
        self.flights.keys().chain(self.quarantined.keys()).collect()
    }

    /// Takes in what happened. The only place where a run changes.
    pub fn evolve(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::RunStarted { .. }
            | Event::RunResumed { .. }
            | Event::AzRebalance { .. }
            | Event::ActFailed { .. }
            | Event::Warning { .. } => {}
            Event::Phase { phase } => self.phase = *phase,
            Event::SurgeRequested { nodes, from, desired, max, .. } => {
                self.intent.surge = *nodes;
                self.intent.raised_max = max.or(self.intent.raised_max);
                self.resize = Some(Size { min: 0, desired: *desired, max: max.unwrap_or(0) });
                self.owe(desired.saturating_sub(*from), at);
            }
            Event::SurgeUnavailable { .. } => {
                self.surge_denied = true;
                self.resize = None;
                self.owed.retain(|owed| owed.replaces.is_some());
            }
            Event::NodeChosen { member, shrink, extended, .. } => {
                let flight = Flight { shrink: *shrink, extended: extended.clone(), ..Flight::new(member.clone(), at) };
                self.flights.insert(member.instance.clone(), flight);
                self.last_choice = Some(at);
            }
            Event::NodeCordoned { node, .. } => {
                let deadline = later(at, self.intent.policy.drain_timeout);
                self.with_flight(node, |flight| {
                    flight.cordoned_at = Some(at);
                    if flight.phase == NodePhase::Cordoning {
                        flight.phase = NodePhase::Draining { deadline };
                    }
                });
            }
            Event::NodeUncordonedByOther { node } => self.with_flight(node, |flight| flight.cordoned_at = None),
            Event::PodEvicted { pod, node } => {
                self.asked.remove(&pod.uid);
                self.ledger.accepted(&pod.uid, at);
                self.with_flight(node, |flight| drop(flight.leaving.insert(pod.uid.clone(), pod.clone())));
            }
            Event::PodDeleted { pod, node, .. } => {
                self.asked.remove(&pod.uid);
                self.ledger.deleted(&pod.uid, at);
                self.with_flight(node, |flight| drop(flight.leaving.insert(pod.uid.clone(), pod.clone())));
            }
            Event::PodRefused { pod, refusal, .. } => {
                self.asked.remove(&pod.uid);
                self.ledger.refused(&pod.uid, refusal, at);
            }
            Event::PodGone { pod, node, .. } => {
                self.ledger.gone(&pod.uid);
                self.with_flight(node, |flight| {
                    flight.leaving.remove(&pod.uid);
                    flight.moved += 1;
                });
            }
            Event::PodLandedBack { pod, node, toleration } => {
                self.with_flight(node, |flight| drop(flight.landed.insert(pod.uid.clone(), toleration.clone())));
            }
            Event::NodeDrained { node, .. } => {
                self.with_flight(node, |flight| flight.phase = NodePhase::Settling { drained_at: at });
            }
            Event::Terminating { member, decrement } => {
                let call = if member.node.is_some() { Call::Unmarked } else { Call::Marked };
                self.set_phase(&member.instance, NodePhase::Terminating { since: at, decrement: *decrement, call });
            }
            Event::TerminateUnknown { instance, .. } => self.set_call(instance, Call::Lost { at }),
            Event::InstanceLeft { member, ours } => self.instance_left(member, *ours, at),
            Event::Launched { instance, replaces } => self.launched(instance, replaces.as_ref(), at),
            Event::Joined { node, instance } => {
                if let Some(arrival) = self.arrivals.get_mut(instance) {
                    arrival.joined = Some(node.clone());
                }
            }
            Event::Serves { instance, .. } => drop(self.arrivals.remove(instance)),
            Event::Replaced { member, .. } => {
                self.flights.remove(&member.instance);
                self.told.remove(&member.title());
                self.replaced += 1;
            }
            Event::GivingBack { member } => self.set_phase(&member.instance, NodePhase::Releasing),
            Event::NodeStuck { member, why } => self.stuck(member.as_ref(), why),
            Event::NodeReleased { node } => {
                let released = self.flights.iter().find(|(_, flight)| flight.member.node.as_ref() == Some(node));
                if let Some(instance) = released.map(|(instance, _)| instance.clone()) {
                    self.flights.remove(&instance);
                    self.given_up.insert(instance);
                }
                self.told.remove(&format!("node/{node}"));
            }
            Event::NodeQuarantined { node } => {
                let found = self.flights.iter().find(|(_, flight)| flight.member.node.as_ref() == Some(node));
                if let Some(instance) = found.map(|(instance, _)| instance.clone())
                    && let Some(flight) = self.flights.remove(&instance)
                {
                    self.quarantined.insert(instance, flight.member);
                }
                self.told.remove(&format!("node/{node}"));
            }
            Event::Waiting { who, on, .. } if on.is_empty() => drop(self.told.remove(who)),
            Event::Waiting { who, on, since, .. } => {
                self.told.insert(who.clone(), Told { at, since: *since, on: on.clone() });
            }
            Event::StopRequested => {
                self.asked_to_stop = true;
                self.stop = match self.stop.take() {
                    // Something is left to be undone then.
                    None | Some(RunOutcome::Aborted) => Some(RunOutcome::Interrupted),
                    Some(first) => Some(first),
                };
            }
            Event::RunEnded { outcome, .. } => {
                self.phase = RunPhase::Done;
                self.ended = Some(outcome.clone());
            }
            Event::Noted(note) => self.note(at, note),
        }
    }

    fn note(&mut self, at: Timestamp, note: &Note) {
        match note {
            Note::Issued(key) => drop(self.outstanding.insert(key.clone())),
            Note::Answered(key) => {
                self.outstanding.remove(key);
            }
            Note::Succeeded(effect) => {
                let key = effect.key();
                self.retry_at.remove(&key);
                self.failures.remove(&key);
                self.recent.insert(key, ((**effect).clone(), at));
            }
            Note::RetryAt(key, moment) => {
                self.retry_at.insert(key.clone(), *moment);
                *self.failures.entry(key.clone()).or_default() += 1;
            }
            Note::EvictionSent(pod, node, token) => {
                self.ledger.sent(&pod.uid, token.clone());
                self.asked.insert(pod.uid.clone(), node.clone());
            }
            Note::EvictionLost(pod, why) => {
                self.asked.remove(pod);
                self.ledger.lost(pod, why, at);
            }
            Note::IntentSaved(intent) => self.saved = Some((**intent).clone()),
            Note::IntentChanged(intent) => self.intent = (**intent).clone(),
            Note::IntentForgotten => self.forgotten = true,
            Note::TerminationMarked(instance) => self.set_call(instance, Call::Marked),
            Note::TerminationNotDone(instance) => {
                self.shrinking.remove(instance);
                self.set_call(instance, Call::Marked);
            }
            Note::TerminationAsked(instance, decrement) => {
                if *decrement {
                    self.shrinking.insert(instance.clone());
                }
                self.set_call(instance, Call::Asked);
            }
            Note::TerminationAccepted(instance) => self.set_call(instance, Call::Accepted),
            Note::ForceBegan(instance) => {
                if let Some(flight) = self.flights.get_mut(instance) {
                    flight.forced_at = Some(at);
                }
            }
            Note::NotEmptyAnyMore(instance) => {
                let deadline = later(at, self.intent.policy.drain_timeout);
                self.set_phase(instance, NodePhase::Draining { deadline });
            }
            Note::GroupSeen(moment, desired) => {
                self.group_seen = Some((*moment, *desired));
                self.shrunk = 0;
            }
            Note::ShrunkBy(instance) => {
                if self.shrinking.remove(instance) {
                    self.intent.surge = self.intent.surge.saturating_sub(1);
                    self.shrunk += 1;
                }
            }
            Note::Claims(extra) => self.intent.surge = *extra,
            Note::Shielded(node) => drop(self.shielded.insert(node.clone())),
            Note::OwedWrittenOff => {
                for owed in std::mem::take(&mut self.owed) {
                    self.flights.retain(|_, flight| Some(&flight.member) != owed.replaces.as_ref());
                }
            }
            Note::OwedMore(count) => self.owe(*count, at),
            Note::ArrivalGivenUp(instance) => drop(self.arrivals.remove(instance)),
            Note::Unchosen(instance) => drop(self.flights.remove(instance)),
            Note::ShedGivenUp => self.shed_denied = true,
            Note::SizeMovedByOther { more } => self.resize_anew = Some((*more, at)),
            Note::ResizedAnew(size) => {
                self.resize_anew = None;
                self.resize = Some(*size);
                self.intent.raised_max = Some(size.max).filter(|max| *max > 0).or(self.intent.raised_max);
            }
            Note::Resized => self.resize = None,
            Note::TargetSeen(target) => self.target = Some((**target).clone()),
            Note::Stopping(outcome) => self.stop = self.stop.take().or(Some(outcome.clone())),
        }
    }

    fn instance_left(&mut self, member: &Member, ours: bool, at: Timestamp) {
        self.known.remove(&member.instance);
        self.fresh.remove(&member.instance);
        self.quarantined.remove(&member.instance);
        if let Some(arrival) = self.arrivals.remove(&member.instance) {
            self.owed.push(Owed { replaces: arrival.replaces, since: arrival.owed_since });
        }
        let Some(flight) = self.flights.get_mut(&member.instance) else { return };
        let shrinks = matches!(flight.phase, NodePhase::Terminating { decrement: true, .. }) && ours;
        flight.phase = NodePhase::Replacing { since: at };
        flight.leaving.clear();
        if !shrinks {
            self.owed.push(Owed { replaces: Some(member.clone()), since: at });
        }
    }

    fn launched(&mut self, instance: &InstanceId, replaces: Option<&Member>, at: Timestamp) {
        self.known.insert(instance.clone());
        self.fresh.insert(instance.clone());
        let position = self.owed.iter().position(|owed| owed.replaces.as_ref() == replaces);
        let owed_since = position.map_or(at, |index| self.owed.remove(index).since);
        let arrival = Arrival { replaces: replaces.cloned(), owed_since, first_seen: at, joined: None };
        self.arrivals.insert(instance.clone(), arrival);
    }

    fn stuck(&mut self, member: Option<&Member>, why: &Stuck) {
        match why {
            Stuck::PodEviction { .. } => {
                if let Some(member) = member {
                    let shrinks = self.flights.get(&member.instance).is_some_and(|flight| flight.shrink);
                    self.unshrunk += u32::from(shrinks);
                    self.set_phase(&member.instance, NodePhase::Releasing);
                }
            }
            Stuck::NodeCreation { .. } => {
                // Nobody waits for it any more; the first cause to stop stays the one that is told.
                self.stop = self.stop.take().or(Some(RunOutcome::ReplacementFailed));
                self.owed.retain(|owed| owed.replaces.as_ref() != member);
                if let Some(member) = member {
                    self.flights.remove(&member.instance);
                }
            }
            Stuck::Refused { refusal, .. } => {
                self.stop = self.stop.take().or(Some(RunOutcome::Refused { why: refusal.to_string() }));
            }
        }
    }

    fn owe(&mut self, count: u32, since: Timestamp) {
        self.owed.extend((0..count).map(|_| Owed { replaces: None, since }));
    }

    fn with_flight(&mut self, node: &NodeName, change: impl FnOnce(&mut Flight)) {
        if let Some(flight) = self.flights.values_mut().find(|flight| flight.member.node.as_ref() == Some(node)) {
            change(flight);
        }
    }

    fn set_phase(&mut self, instance: &InstanceId, phase: NodePhase) {
        if let Some(flight) = self.flights.get_mut(instance) {
            flight.phase = phase;
        }
    }

    fn set_call(&mut self, instance: &InstanceId, next: Call) {
        if let Some(Flight { phase: NodePhase::Terminating { call, .. }, .. }) = self.flights.get_mut(instance) {
            *call = next;
        }
    }
}

/// What all old nodes offer; where none is old, what all nodes do.
fn offered_by_all_old(snapshot: &Snapshot) -> BTreeSet<String> {
    let Some(group) = snapshot.group() else { return BTreeSet::new() };
    let offers = |old: bool| {
        let members = group.instances.values().filter(|instance| !old || evidence(instance, group).is_some());
        let nodes = members.filter_map(|instance| snapshot.node_of(&instance.id)).filter(|node| node.is_ready());
        nodes.map(|node| node.extended.keys().cloned().collect()).reduce(|all: BTreeSet<_>, each| &all & &each)
    };
    offers(true).or_else(|| offers(false)).unwrap_or_default()
}

impl Flight {
    pub(super) fn new(member: Member, chosen_at: Timestamp) -> Self {
        let phase = if member.node.is_some() {
            NodePhase::Cordoning
        } else {
            // What never became a node has no pods to lose.
            NodePhase::Settling { drained_at: chosen_at }
        };
        Self {
            member,
            chosen_at,
            phase,
            leaving: BTreeMap::new(),
            moved: 0,
            landed: BTreeMap::new(),
            cordoned_at: None,
            forced_at: None,
            shrink: false,
            extended: BTreeMap::new(),
        }
    }

    /// Whether its termination was asked for, or may have been.
    pub(super) fn is_asked_to_leave(&self) -> bool {
        matches!(self.phase, NodePhase::Terminating { call, .. } if asked(call))
    }

    /// Pods that left since its turn came.
    #[must_use]
    pub fn moved(&self) -> u32 {
        self.moved
    }
}
