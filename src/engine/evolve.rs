//! How events change a run. Nothing here decides.

use jiff::Timestamp;

use super::{
    event::{Event, RunOutcome, Stuck},
    note::Note,
    phase::{Call, NodePhase, RunPhase},
    rollout::{Arrival, Flight, Owed, Rollout, Told},
};
use crate::domain::{InstanceId, Member, NodeName, Size, later};

impl Rollout {
    /// Takes in what happened. The only place where a run changes.
    pub fn evolve(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::RunStarted { .. }
            | Event::RunResumed { .. }
            | Event::AzRebalance { .. }
            | Event::ActFailed { .. }
            | Event::Diagnosed { .. }
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
                    flight.first_deadline.get_or_insert(deadline);
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
            Event::PodGoesDown { pod, node } => {
                self.with_flight(node, |flight| _ = flight.goes_down.insert(pod.uid.clone()));
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
                let timeout = self.intent.policy.drain_timeout;
                if let Some(flight) = self.flights.get_mut(instance) {
                    // Pods that come again and again must not hold it for ever: twice the timeout is all it gets.
                    let last = later(flight.first_deadline.unwrap_or(at), timeout);
                    flight.phase = NodePhase::Draining { deadline: later(at, timeout).min(last) };
                }
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
            Note::ResizeLost => self.resize_lost = Some(at),
            Note::ResizeNotDone => self.resize_lost = None,
            Note::Resized => {
                self.resize = None;
                self.resize_lost = None;
            }
            Note::TargetSeen(target) => self.target = Some((**target).clone()),
            Note::Stopping(outcome) => self.stop = self.stop.take().or(Some(outcome.clone())),
        }
    }

    fn instance_left(&mut self, member: &Member, ours: bool, at: Timestamp) {
        self.known.remove(&member.instance);
        self.fresh.remove(&member.instance);
        self.quarantined.remove(&member.instance);
        if let Some(arrival) = self.arrivals.remove(&member.instance) {
            self.owed.push(Owed { replaces: arrival.replaces, since: arrival.owed_since, lost: arrival.lost + 1 });
        }
        let Some(flight) = self.flights.get_mut(&member.instance) else { return };
        let shrinks = matches!(flight.phase, NodePhase::Terminating { decrement: true, .. }) && ours;
        flight.phase = NodePhase::Replacing { since: at };
        flight.leaving.clear();
        if !shrinks {
            self.owed.push(Owed { replaces: Some(member.clone()), since: at, lost: 0 });
        }
    }

    fn launched(&mut self, instance: &InstanceId, replaces: Option<&Member>, at: Timestamp) {
        self.known.insert(instance.clone());
        self.fresh.insert(instance.clone());
        let position = self.owed.iter().position(|owed| owed.replaces.as_ref() == replaces);
        let (owed_since, lost) = position.map_or((at, 0), |index| {
            let owed = self.owed.remove(index);
            (owed.since, owed.lost)
        });
        let arrival = Arrival { replaces: replaces.cloned(), owed_since, first_seen: at, joined: None, lost };
        self.arrivals.insert(instance.clone(), arrival);
    }

    fn stuck(&mut self, member: Option<&Member>, why: &Stuck) {
        self.stuck.push((member.cloned(), why.clone()));
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
        self.owed.extend((0..count).map(|_| Owed { replaces: None, since, lost: 0 }));
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
