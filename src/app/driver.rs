//! The loop: see, decide, tell, act.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::mpsc;

use super::polling::{Nudge, Poller};
use crate::{
    domain::{Change, Group, InstanceId, Snapshot},
    engine::{
        Act, Input, Rollout,
        event::{Event, Record, RunOutcome},
        invariants,
    },
    ports::{Clock, Cloud, CloudAct, Cluster, Effect, Journal, Lock, LockError, Outcome, PortError, Refusal, Watch},
    report::Reporter,
};

/// Everything outside, behind its ports.
#[derive(Debug)]
pub struct Ports<C, A, K, L> {
    /// Kubernetes.
    pub cluster: Arc<C>,
    /// AWS.
    pub cloud: Arc<A>,
    /// Time.
    pub clock: Arc<K>,
    /// One run a group.
    pub lock: Arc<L>,
}

impl<C, A, K, L> Clone for Ports<C, A, K, L> {
    fn clone(&self) -> Self {
        Self {
            cluster: Arc::clone(&self.cluster),
            cloud: Arc::clone(&self.cloud),
            clock: Arc::clone(&self.clock),
            lock: Arc::clone(&self.lock),
        }
    }
}

/// How urgently the user wants to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// First Ctrl-C: bring nodes in flight to a safe place.
    Safely,
    /// Second Ctrl-C: leave now.
    Now,
}

/// Why a run ended without an outcome.
#[derive(Debug, Error)]
pub enum DriveError {
    /// The lock is not ours, or not any more.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The outside cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The user left at once.
    #[error("stopped at once; nodes in flight are as they were, the cluster remembers them")]
    Left,
}

/// How often reporters that show clocks are told the time.
const TICK: Duration = Duration::from_millis(250);

enum Heard {
    Answer(Box<Effect>, Outcome),
    Group(Box<Result<Group, PortError>>),
    Nodeless(Result<BTreeSet<InstanceId>, PortError>),
    LockLost(LockError),
}

/// Drives a run to its end. The lock is held and renewed meanwhile; the caller acquires and releases it.
pub(super) async fn drive<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    run: &mut Rollout,
    snapshot: &mut Snapshot,
    first: Vec<Event>,
    reporter: &mut dyn Reporter,
    journal: &mut dyn Journal,
    stop: &mut mpsc::Receiver<Stop>,
) -> Result<RunOutcome, DriveError> {
    let (heard_tx, mut heard) = mpsc::unbounded_channel();
    let mut book = Book { reporter, journal, journal_failed: false };
    for event in first {
        book.tell(run, ports.clock.now(), event);
    }
    let mut poller = Poller::start(Arc::clone(&ports.cloud), Arc::clone(&ports.clock), {
        let heard = heard_tx.clone();
        move |group| drop(heard.send(Heard::Group(Box::new(group))))
    });
    let _renewal =
        AbortOnDrop(tokio::spawn(renew(Arc::clone(&ports.lock), Arc::clone(&ports.clock), heard_tx.clone())));
    let mut watched: Option<Watch> = None;
    let mut nodeless = Nodeless::default();
    let mut pending: Option<Pending> = None;
    let mut seconds = tokio::time::interval(TICK);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let now = ports.clock.now();
        let heard_now = pending.take();
        let decision = settle(run, snapshot, &mut book, now, heard_now.as_ref());
        for act in decision.acts {
            if run.ended().is_some() {
                break;
            }
            perform(ports, run, snapshot, &mut book, act, now, &heard_tx);
        }
        if let Some(outcome) = run.ended() {
            return Ok(outcome.clone());
        }
        if watched.as_ref() != Some(&decision.watch) {
            ports.cluster.watch(&decision.watch);
            poller.want_activities(decision.watch.activities);
            watched = Some(decision.watch);
        }
        if let Some(ask) = nodeless.ask(snapshot, now) {
            let (cluster, heard) = (Arc::clone(&ports.cluster), heard_tx.clone());
            tokio::spawn(async move { heard.send(Heard::Nodeless(cluster.without_node(&ask).await)) });
        }
        let wake = decision.wake.map_or(Timestamp::MAX, |(moment, _)| moment);
        tokio::select! {
            changes = ports.cluster.changes() => {
                for change in changes? {
                    poller.nudge_if(&change, snapshot);
                    snapshot.apply(change);
                }
            }
            Some(news) = heard.recv() => match news {
                Heard::Answer(effect, outcome) => {
                    if matches!(*effect, Effect::Cloud(_)) {
                        poller.nudge(Nudge::Acted);
                    }
                    pending = Some(Pending::Answer(effect, outcome));
                }
                Heard::Group(read) => match *read {
                    Ok(mut group) => {
                        nodeless.mark(&mut group, snapshot);
                        snapshot.apply(Change::Group(Box::new(group)));
                    }
                    Err(error @ (PortError::Forbidden { .. } | PortError::Credentials { .. } | PortError::NotFound { .. })) => {
                        return Err(error.into());
                    }
                    Err(error) => book.warn(run, now, &error),
                },
                Heard::Nodeless(answer) => match answer {
                    Ok(instances) => nodeless.found(instances),
                    Err(error) => book.warn(run, now, &error),
                },
                Heard::LockLost(error) => return Err(error.into()),
            },
            () = ports.clock.sleep_until(wake) => {}
            _ = seconds.tick() => book.reporter.tick(ports.clock.now()),
            Some(stop) = stop.recv() => match stop {
                Stop::Safely => pending = Some(Pending::Stop),
                Stop::Now => return Err(DriveError::Left),
            },
        }
    }
}

enum Pending {
    Answer(Box<Effect>, Outcome),
    Stop,
}

/// Decides until nothing happens any more.
fn settle(
    run: &mut Rollout,
    snapshot: &Snapshot,
    book: &mut Book<'_>,
    now: Timestamp,
    pending: Option<&Pending>,
) -> crate::engine::Decision {
    let mut input = match pending {
        Some(Pending::Answer(effect, outcome)) => Input::Answer { effect, outcome },
        Some(Pending::Stop) => Input::Stop,
        None => Input::Tick,
    };
    loop {
        let mut decision = run.decide(now, snapshot, input);
        input = Input::Tick;
        if decision.events.is_empty() {
            return decision;
        }
        for event in decision.events.drain(..) {
            book.tell(run, now, event);
        }
    }
}

fn perform<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    run: &mut Rollout,
    snapshot: &Snapshot,
    book: &mut Book<'_>,
    act: Act,
    now: Timestamp,
    heard: &mpsc::UnboundedSender<Heard>,
) {
    let Act { effect, notes } = act;
    if let Err(violation) = invariants::check(run, snapshot, &effect, now) {
        // A fault of mngup's own: nothing more is touched, not even to tidy up.
        let left = u32::try_from(crate::plan::old_nodes(snapshot, &run.intent().policy).len()).unwrap_or(u32::MAX);
        let outcome = RunOutcome::InvariantBroken { what: violation.to_string() };
        return book.tell(run, now, Event::RunEnded { outcome, left, replaced: run.replaced() });
    }
    for note in notes {
        book.tell(run, now, Event::Noted(note));
    }
    let nodeless = match &effect {
        Effect::Cloud(CloudAct::Terminate { instance, .. }) => {
            run.flights().get(instance).is_some_and(|flight| flight.member.node.is_none()).then(|| instance.clone())
        }
        Effect::Cloud(_) | Effect::Kube(_) => None,
    };
    let (cluster, cloud, heard) = (Arc::clone(&ports.cluster), Arc::clone(&ports.cloud), heard.clone());
    tokio::spawn(async move {
        let outcome = match (&effect, nodeless) {
            (Effect::Kube(act), _) => cluster.act(act).await,
            (Effect::Cloud(act), None) => cloud.act(act).await,
            (Effect::Cloud(act), Some(instance)) => match look_again(&*cluster, &instance).await {
                None => cloud.act(act).await,
                Some(refused) => refused,
            },
        };
        drop(heard.send(Heard::Answer(Box::new(effect), outcome)));
    });
}

/// An instance that never became a node is terminated without a drain: make sure that it still has none.
async fn look_again<C: Cluster>(cluster: &C, instance: &InstanceId) -> Option<Outcome> {
    let message = match cluster.without_node(&BTreeSet::from([instance.clone()])).await {
        Ok(without) if without.contains(instance) => return None,
        Ok(_) => format!("instance/{instance} has a Node after all; it is not terminated without a drain"),
        Err(error) => format!("whether instance/{instance} has a Node cannot be told: {error}"),
    };
    Some(Outcome::Refused(Refusal::Failed { code: 0, message }))
}

async fn renew<L: Lock, K: Clock>(lock: Arc<L>, clock: Arc<K>, heard: mpsc::UnboundedSender<Heard>) {
    let mut failures = 0;
    loop {
        clock.sleep_until(crate::domain::later(clock.now(), lock.renew_every())).await;
        match lock.renew().await {
            Ok(()) => failures = 0,
            // A lease lasts three renewals: after two that failed, somebody else may take it before the next.
            Err(LockError::Port(error)) if failures < 2 => {
                failures += 1;
                tracing::warn!(%error, "the lease could not be renewed");
            }
            Err(error) => return drop(heard.send(Heard::LockLost(error))),
        }
    }
}

/// Where events go.
struct Book<'a> {
    reporter: &'a mut dyn Reporter,
    journal: &'a mut dyn Journal,
    journal_failed: bool,
}

impl Book<'_> {
    fn tell(&mut self, run: &mut Rollout, at: Timestamp, event: Event) {
        run.evolve(at, &event);
        if matches!(event, Event::Noted(_)) {
            return;
        }
        let record = Record { at, event };
        if let Err(error) = self.journal.record(&record)
            && !std::mem::replace(&mut self.journal_failed, true)
        {
            let message = format!("the journal cannot be written: {error}; the run goes on without");
            self.reporter.record(&Record { at, event: Event::Warning { message } });
        }
        self.reporter.record(&record);
    }

    fn warn(&mut self, run: &mut Rollout, at: Timestamp, error: &PortError) {
        self.tell(run, at, Event::Warning { message: error.to_string() });
    }
}

/// Which instances were looked for among all nodes, and had none.
#[derive(Default)]
struct Nodeless {
    known: BTreeSet<InstanceId>,
    asked_at: Option<Timestamp>,
    suspects: BTreeSet<InstanceId>,
}

impl Nodeless {
    /// At most so often a look through all nodes.
    const EVERY: std::time::Duration = std::time::Duration::from_mins(1);

    fn ask(&mut self, snapshot: &Snapshot, now: Timestamp) -> Option<BTreeSet<InstanceId>> {
        if self.suspects.is_empty() || self.asked_at.is_some_and(|at| crate::domain::later(at, Self::EVERY) > now) {
            return None;
        }
        self.asked_at = Some(now);
        let suspects = std::mem::take(&mut self.suspects);
        Some(suspects.into_iter().filter(|id| snapshot.node_of(id).is_none()).collect())
    }

    fn found(&mut self, instances: BTreeSet<InstanceId>) {
        self.known.extend(instances);
    }

    fn mark(&mut self, group: &mut Group, snapshot: &Snapshot) {
        for instance in group.instances.values_mut() {
            if snapshot.node_of(&instance.id).is_some() {
                self.known.remove(&instance.id);
            } else if self.known.contains(&instance.id) {
                instance.no_node = true;
            } else if !instance.no_node {
                self.suspects.insert(instance.id.clone());
            }
        }
    }
}

pub(super) struct AbortOnDrop(pub(super) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
