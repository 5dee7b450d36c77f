//! What a diagnosis asks while a run goes on: one round of questions at a time, for which nobody waits.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::driver::Ports;
use crate::{
    diagnose::Examiner,
    domain::{Answer, Ask, Diagnosis, Oracle, Snapshot},
    engine::{Rollout, event::Event},
    ports::{Cloud, Cluster},
};

/// Looks for what stands in the way of a run.
#[derive(Default)]
pub(super) struct Examination {
    examiner: Examiner,
    /// Answers to a round of questions are still to come.
    asking: bool,
}

impl Examination {
    /// What there is to say at this moment, from what is known by now.
    pub(super) fn look(&mut self, run: &Rollout, snapshot: &Snapshot, now: Timestamp) -> Option<Diagnosis> {
        self.examiner.look(run, snapshot, now)
    }

    /// The same before this event is told, where it says that something waits.
    pub(super) fn before(
        &mut self,
        event: &Event,
        run: &Rollout,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Diagnosis> {
        self.examiner.before(event, run, snapshot, now)
    }

    /// Sends the questions that are open, unless others are under way; the answers are handed to `deliver`.
    pub(super) fn ask<C: Cluster, A: Cloud, K, L>(
        &mut self,
        ports: &Ports<C, A, K, L>,
        now: Timestamp,
        tasks: &mut JoinSet<()>,
        deliver: impl FnOnce(Vec<Answer>) + Send + 'static,
    ) {
        if self.asking {
            return;
        }
        let open = self.examiner.open(now);
        if open.is_empty() {
            return;
        }
        self.asking = true;
        let (cloud, cluster): (BTreeSet<Ask>, BTreeSet<Ask>) =
            open.into_iter().partition(|ask| ask.oracle() == Oracle::Cloud);
        let (kubernetes, aws) = (Arc::clone(&ports.cluster), Arc::clone(&ports.cloud));
        tasks.spawn(async move {
            let (mut answers, of_cloud) = tokio::join!(kubernetes.look(&cluster), aws.look(&cloud));
            answers.extend(of_cloud);
            deliver(answers);
        });
    }

    /// Takes in the answers to the last round.
    pub(super) fn hear(&mut self, answers: Vec<Answer>, now: Timestamp) {
        self.asking = false;
        self.examiner.hear(answers, now);
    }
}
