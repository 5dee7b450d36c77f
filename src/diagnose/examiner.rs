//! Looks again and again while a run goes on, and speaks when there is something new to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{Memory, Scene, View, examine};
use crate::{
    domain::{Diagnosis, Snapshot, Subject, elapsed},
    engine::{Rollout, event::Event},
};

/// Nothing that is found here is so new that a second matters, and a look costs what is in flight.
const EVERY: Duration = Duration::from_secs(1);

/// What was found so far.
#[derive(Debug, Default)]
pub struct Examiner {
    memory: Memory,
    looked_at: Option<Timestamp>,
    last: Option<Diagnosis>,
}

impl Examiner {
    /// What there is to say at this moment about a run that stands still: only what somebody must act on, for what
    /// takes its time is told by what the run waits for. None while that is what was said last.
    pub fn look(&mut self, run: &Rollout, snapshot: &Snapshot, now: Timestamp) -> Option<Diagnosis> {
        if self.looked_at.is_some_and(|at| elapsed(at, now) < EVERY) {
            return None;
        }
        self.look_now(run, snapshot, now)
    }

    /// The same just before an event is told, so that a wait can be told with its cause; and however short ago the last
    /// look was before a node is given back, which takes what held it out of sight.
    pub fn before(&mut self, event: &Event, run: &Rollout, snapshot: &Snapshot, now: Timestamp) -> Option<Diagnosis> {
        if matches!(event, Event::NodeStuck { .. }) {
            return self.look_now(run, snapshot, now);
        }
        let waits = matches!(event, Event::Waiting { .. });
        if waits { self.look(run, snapshot, now) } else { None }
    }

    /// What was seen before.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    fn look_now(&mut self, run: &Rollout, snapshot: &Snapshot, now: Timestamp) -> Option<Diagnosis> {
        self.looked_at = Some(now);
        self.memory.note(snapshot, now);
        let mut found = examine(&Scene::of(View {
            now,
            snapshot,
            run: Some(run),
            memory: &self.memory,
            policy: &run.intent().policy,
            subject: &Subject::Run,
            old: &BTreeSet::new(),
            lacks: &BTreeMap::new(),
        }));
        found.findings = found.blocking().cloned().collect();
        found.unknown.clear();
        let news = match &self.last {
            None => !found.findings.is_empty(),
            Some(last) => !found.same_as(last),
        };
        if !news {
            return None;
        }
        self.last = Some(found.clone());
        Some(found)
    }
}
