//! A decision while it is made: what every rule looks at, and where it puts what it wants.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    effect::{CloudAct, Effect, EffectKey, KubeAct, Watch},
    event::{Event, Note},
    rollout::Rollout,
    waiting::WaitingOn,
};
use crate::{
    domain::{Group, NodeName, NodePatch, Snapshot, later},
    plan::Census,
};

/// What the engine wants now.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What happened; to be journalled and given to `evolve` before anything else. While there are any, there are no
    /// acts: decide again afterwards.
    pub events: Vec<Event>,
    /// What to do, each with the bookkeeping that goes with sending it.
    pub acts: Vec<Act>,
    /// When to decide again although nothing happened, and what is waited for until then.
    pub wake: Option<(Timestamp, WaitingOn)>,
    /// What to keep an eye on.
    pub watch: Watch,
}

/// An act and what is noted when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The act.
    pub effect: Effect,
    /// The notes, to be given to `evolve` as it is sent.
    pub notes: Vec<Note>,
}

/// Why somebody waits, for one status line.
#[derive(Clone, Debug, Default)]
pub(super) struct Wait {
    pub(super) on: Vec<WaitingOn>,
    pub(super) until: Option<Timestamp>,
    pub(super) pods_left: Option<u32>,
}

pub(super) struct Draft<'a> {
    pub(super) run: &'a Rollout,
    pub(super) snapshot: &'a Snapshot,
    pub(super) group: &'a Group,
    pub(super) now: Timestamp,
    pub(super) decision: Decision,
    pub(super) waits: BTreeMap<String, Wait>,
    /// What the acts so far are about: thousands of nodes may be tainted in one step.
    wanted: BTreeSet<EffectKey>,
    /// Counted once for a decision, which changes nothing that is counted.
    pub(super) census: OnceCell<Rc<Census>>,
}

/// After so many failures in a row, about five minutes, a run gets on or ends without this act, and says so.
pub(super) const TRIES: u32 = 12;

/// What was done is not done again for so long, while the watch has yet to show it.
pub(super) const WATCH_LAG: Duration = Duration::from_secs(5);

impl<'a> Draft<'a> {
    pub(super) fn new(run: &'a Rollout, snapshot: &'a Snapshot, group: &'a Group, now: Timestamp) -> Self {
        let (decision, waits, wanted) = (Decision::default(), BTreeMap::new(), BTreeSet::new());
        Self { run, snapshot, group, now, decision, waits, wanted, census: OnceCell::new() }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.decision.events.push(event);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.event(Event::Noted(note));
    }

    pub(super) fn has_events(&self) -> bool {
        !self.decision.events.is_empty()
    }

    /// Wants an act, unless one about the same thing is under way or has to wait after a failure.
    pub(super) fn act(&mut self, effect: Effect, note: Option<Note>) {
        let key = effect.key();
        if self.run.outstanding.contains(&key) || self.wanted.contains(&key) {
            return;
        }
        if let Some(moment) = self.run.retry_at.get(&key).copied().filter(|moment| *moment > self.now) {
            return self.wake_at(moment, &WaitingOn::Answers { count: 1 });
        }
        if let Some((_, at)) = self.run.recent.get(&key).filter(|(done, _)| *done == effect) {
            let shown = match effect {
                Effect::Kube(_) => self.now >= later(*at, WATCH_LAG),
                Effect::Cloud(_) => self.group.observed_at > *at,
            };
            if !shown {
                return self.wake_at(later(*at, WATCH_LAG), &WaitingOn::Answers { count: 1 });
            }
        }
        self.wanted.insert(key.clone());
        let notes = std::iter::once(Note::Issued(key)).chain(note).collect();
        self.decision.acts.push(Act { effect, notes });
    }

    pub(super) fn kube(&mut self, act: KubeAct) {
        self.act(Effect::Kube(act), None);
    }

    pub(super) fn cloud(&mut self, act: CloudAct) {
        self.act(Effect::Cloud(act), None);
    }

    pub(super) fn patch(&mut self, node: &NodeName, patch: NodePatch) {
        self.kube(KubeAct::PatchNode(node.clone(), patch));
    }

    /// How often in a row the acts about this failed.
    pub(super) fn failures(&self, key: &EffectKey) -> u32 {
        self.run.failures.get(key).copied().unwrap_or(0)
    }

    pub(super) fn wake_at(&mut self, moment: Timestamp, on: &WaitingOn) {
        let sooner = self.decision.wake.as_ref().is_none_or(|(known, _)| moment < *known);
        if sooner && moment > self.now {
            self.decision.wake = Some((moment, on.clone()));
        }
    }

    pub(super) fn waits(&mut self, who: String, wait: Wait) {
        if let Some(until) = wait.until {
            self.wake_at(until, wait.on.first().unwrap_or(&WaitingOn::Reading));
        }
        self.waits.insert(who, wait);
    }
}
