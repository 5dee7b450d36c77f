//! Looks again and again while a run goes on, and speaks when there is something new to say.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{Examined, Memory, View, examine, limits};
use crate::{
    domain::{Answer, Ask, Cause, Diagnosis, Dossier, Finding, Grade, Lack, Oracle, Snapshot, Stand, Subject, elapsed},
    engine::{Rollout, event::Event},
};

/// Nothing that is found here is so new that a second matters, and a look costs what is in flight.
const EVERY: Duration = Duration::from_secs(1);

/// What was found so far.
#[derive(Debug, Default)]
pub struct Examiner {
    memory: Memory,
    dossier: Dossier,
    asks: BTreeSet<Ask>,
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

    /// What should be asked now to see more, the least known first: facts that the last look lacked, or had from too
    /// long ago. What is watched comes by itself, and whether a pod may be evicted a run hears when it evicts it.
    #[must_use]
    pub fn open(&self, now: Timestamp) -> BTreeSet<Ask> {
        let open = self.dossier.open(&self.asks, now).into_iter();
        let mut open: Vec<_> = open.filter(is_for_a_run).collect();
        open.sort_by_cached_key(|ask| self.dossier.answered_at(ask));
        open.truncate(limits::ASKS);
        open.into_iter().collect()
    }

    /// Takes in answers; the next look is not put off.
    pub fn hear(&mut self, answers: Vec<Answer>, now: Timestamp) {
        for answer in answers {
            self.dossier.apply(now, answer);
        }
        self.looked_at = None;
    }

    /// All that can be found about this at this moment, what takes its time included.
    #[must_use]
    pub fn examine(&self, subject: &Subject, run: &Rollout, snapshot: &Snapshot, now: Timestamp) -> Examined {
        examine(View {
            now,
            snapshot,
            run: Some(run),
            memory: &self.memory,
            policy: &run.intent().policy,
            subject,
            old: &BTreeSet::new(),
            dossier: &self.dossier,
        })
    }

    fn look_now(&mut self, run: &Rollout, snapshot: &Snapshot, now: Timestamp) -> Option<Diagnosis> {
        self.looked_at = Some(now);
        self.memory.note(snapshot, now);
        let Examined { diagnosis: mut found, asks, unexplained } = self.examine(&Subject::Run, run, snapshot, now);
        self.dossier.keep_only(&asks);
        self.asks = asks;
        self.memory.note_unexplained(unexplained, now);
        found.findings = found.blocking().cloned().collect();
        for finding in &mut found.findings {
            // By a budget that is used up a wait finds its cause, whatever that budget itself does by and by.
            let leads_there = |below: &Finding| below.cause.stand() == Stand::Symptom;
            finding.because.retain(|below| below.grade == Grade::Blocks || leads_there(below));
        }
        found.unknown.retain(|unknown| unknown.lacking != Lack::NotRead);
        // What could not be read matters where it is what would explain: below a symptom that stands for itself, too.
        let is_explained = |finding: &Finding| match finding.cause.stand() {
            Stand::Root | Stand::Aside => finding.cause != Cause::Unexplained,
            Stand::Symptom => false,
        };
        if found.findings.iter().all(is_explained) {
            found.unknown.clear();
        }
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

fn is_for_a_run(ask: &Ask) -> bool {
    match ask.oracle() {
        Oracle::Watch => false,
        Oracle::Cluster | Oracle::Cloud => !matches!(ask, Ask::TryEviction(_)),
    }
}
