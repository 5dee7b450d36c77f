//! The loop: see, decide, tell, act.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    examination::Examination,
    lease::renew,
    nodeless::{Nodeless, look_again},
    polling::{Nudge, Poller},
};
use crate::{
    diagnose::Announcer,
    domain::{Answer, Change, Diagnosis, Group, InstanceId, Notice, Snapshot, elapsed},
    engine::{
        Act, Input, Rollout,
        event::{Event, Note, Record, RunOutcome},
        invariants,
    },
    ports::{Clock, Cloud, CloudAct, Cluster, Effect, Journal, Lock, LockError, Outcome, PortError, Watch},
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
    /// The lock could not be renewed in time: whoever wants it may take it, and nothing may be done before it is ours
    /// again and everything was looked at anew.
    #[error("the lock could not be renewed in time")]
    Adrift {
        /// What the run was stopping for by then.
        stop: Option<RunOutcome>,
    },
}

/// Where a run tells what happens, and hears the user.
pub(super) struct Desk<'a> {
    pub(super) reporter: &'a mut dyn Reporter,
    pub(super) journal: &'a mut dyn Journal,
    pub(super) stop: &'a mut mpsc::Receiver<Stop>,
}

impl Desk<'_> {
    pub(super) fn warn(&mut self, at: Timestamp, message: String) {
        let record = Record { at, event: Event::Warning { message } };
        // Whoever drives tells that the journal cannot be written.
        drop(self.journal.record(&record));
        self.reporter.record(&record);
    }

    /// Waits for this, unless the user stops first.
    pub(super) async fn unless_stopped<T, E: Into<DriveError>>(
        &mut self,
        wait: impl Future<Output = Result<T, E>>,
    ) -> Result<T, DriveError> {
        unless_stopped(self.stop, wait).await
    }
}

/// Waits for this, unless the user stops first.
pub(super) async fn unless_stopped<T, E: Into<DriveError>>(
    stop: &mut mpsc::Receiver<Stop>,
    wait: impl Future<Output = Result<T, E>>,
) -> Result<T, DriveError> {
    tokio::select! {
        done = wait => done.map_err(Into::into),
        Some(_) = stop.recv() => Err(DriveError::Left),
    }
}

/// So many rounds of events may follow one from another at one moment; each node takes a few.
const ROUNDS: u32 = 100_000;

/// How often reporters that show clocks are told the time.
const TICK: Duration = Duration::from_millis(250);

enum Heard {
    Answer(Box<Effect>, Outcome),
    Group(Box<Result<Group, PortError>>),
    Nodeless(Result<BTreeSet<InstanceId>, PortError>),
    Facts(Vec<Answer>),
    LockLost(LockError),
}

/// Rights or credentials that are missing may come back: a session is renewed, a network is there again.
const UNREAD_PATIENCE: Duration = Duration::from_mins(5);

/// Drives a run to its end. The lock is held and renewed meanwhile; the caller acquires and releases it. Nothing that
/// was begun here is still under way when this returns.
pub(super) async fn drive<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    run: &mut Rollout,
    snapshot: &mut Snapshot,
    first: Event,
    desk: &mut Desk<'_>,
    stop_for: Option<RunOutcome>,
) -> Result<RunOutcome, DriveError> {
    let (heard_tx, mut heard) = mpsc::unbounded_channel();
    let stop = &mut *desk.stop;
    let mut book = Book::new(desk.reporter, desk.journal);
    let mut examination = Examination::default();
    book.tell(run, ports.clock.now(), first);
    if let Some(outcome) = stop_for {
        book.tell(run, ports.clock.now(), Event::Noted(Note::Stopping(outcome)));
    }
    // Dropped with us, and so is what is under way: without the lock nothing goes on.
    let mut acts = JoinSet::new();
    let mut unread = Unread::default();
    let mut poller = Poller::start(Arc::clone(&ports.cloud), Arc::clone(&ports.clock), {
        let heard = heard_tx.clone();
        move |group| drop(heard.send(Heard::Group(Box::new(group))))
    });
    let renewal = renew(Arc::clone(&ports.lock), Arc::clone(&ports.clock));
    let _renewal = AbortOnDrop(tokio::spawn({
        let heard = heard_tx.clone();
        async move { drop(heard.send(Heard::LockLost(renewal.await))) }
    }));
    let mut watched: Option<Watch> = None;
    let mut nodeless = Nodeless::default();
    let mut pending = None;
    let mut seconds = tokio::time::interval(TICK);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        if !ports.lock.is_held() {
            return Err(DriveError::Adrift { stop: run.stopping().cloned() });
        }
        while acts.try_join_next().is_some() {}
        let now = ports.clock.now();
        let heard_now = pending.take();
        let decision = settle(run, snapshot, &mut book, &mut examination, now, heard_now.as_ref());
        for act in decision.acts {
            if run.ended().is_some() {
                break;
            }
            if may(run, snapshot, &mut book, &act, now) {
                perform(ports, run, act, &mut acts, &heard_tx);
            }
        }
        if let Some(outcome) = run.ended() {
            return Ok(outcome.clone());
        }
        announce(ports, book.announcer.due(now), &mut acts);
        if watched.as_ref() != Some(&decision.watch) {
            ports.cluster.watch(&decision.watch);
            poller.want_activities(decision.watch.activities);
            watched = Some(decision.watch);
        }
        if let Some(ask) = nodeless.ask(snapshot, now) {
            let (cluster, heard) = (Arc::clone(&ports.cluster), heard_tx.clone());
            tokio::spawn(async move { heard.send(Heard::Nodeless(cluster.without_node(&ask).await)) });
        }
        let facts = heard_tx.clone();
        examination.ask(ports, now, &mut acts, move |answers| drop(facts.send(Heard::Facts(answers))));
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
                        unread = Unread::default();
                        nodeless.mark(&mut group, snapshot, run);
                        snapshot.apply(Change::Group(Box::new(group)));
                    }
                    Err(error @ PortError::NotFound { .. }) => return Err(error.into()),
                    Err(error) => {
                        if unread.is_news(&error) {
                            book.warn(run, now, &error);
                        }
                        if matches!(error, PortError::Forbidden { .. } | PortError::Credentials { .. }) {
                            match unread.for_how_long(now) {
                                // Nodes can be given back without AWS.
                                long if long >= UNREAD_PATIENCE * 2 => return Err(error.into()),
                                long if long >= UNREAD_PATIENCE => pending = Some(Pending::Stop),
                                _ => {}
                            }
                        }
                    }
                },
                Heard::Nodeless(answer) => match answer {
                    Ok(instances) => nodeless.found(instances),
                    Err(error) => book.warn(run, now, &error),
                },
                Heard::Facts(answers) => examination.hear(answers, ports.clock.now()),
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
    examination: &mut Examination,
    now: Timestamp,
    pending: Option<&Pending>,
) -> crate::engine::Decision {
    let mut input = match pending {
        Some(Pending::Answer(effect, outcome)) => Input::Answer { effect, outcome },
        Some(Pending::Stop) => Input::Stop,
        None => Input::Tick,
    };
    for _ in 0..ROUNDS {
        let mut decision = run.decide(now, snapshot, input);
        input = Input::Tick;
        if decision.events.is_empty() || run.ended().is_some() {
            book.diagnose(run, examination.look(run, snapshot, now), now);
            return decision;
        }
        for event in decision.events.drain(..) {
            book.diagnose(run, examination.before(&event, run, snapshot, now), now);
            book.tell(run, now, event);
        }
    }
    // A fault of mngup's own: better to stop than to turn in a circle with nobody heard.
    let outcome = RunOutcome::InvariantBroken { what: "what it wants now never settles".to_owned() };
    end(run, snapshot, book, now, outcome);
    crate::engine::Decision::default()
}

/// Ends the run as it is.
fn end(run: &mut Rollout, snapshot: &Snapshot, book: &mut Book<'_>, now: Timestamp, outcome: RunOutcome) {
    let left = u32::try_from(crate::plan::old_nodes(snapshot, &run.intent().policy).len()).unwrap_or(u32::MAX);
    book.tell(run, now, Event::RunEnded { outcome, left, replaced: run.replaced() });
}

/// Whether this act keeps every promise; notes that it is sent, or ends the run.
fn may(run: &mut Rollout, snapshot: &Snapshot, book: &mut Book<'_>, act: &Act, now: Timestamp) -> bool {
    if let Err(violation) = invariants::check(run, snapshot, &act.effect, now) {
        // A fault of mngup's own: nothing more is touched, not even to tidy up.
        end(run, snapshot, book, now, RunOutcome::InvariantBroken { what: violation.to_string() });
        return false;
    }
    for note in &act.notes {
        book.tell(run, now, Event::Noted(note.clone()));
    }
    true
}

fn perform<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    run: &Rollout,
    act: Act,
    acts: &mut JoinSet<()>,
    heard: &mpsc::UnboundedSender<Heard>,
) {
    let effect = act.effect;
    let nodeless = match &effect {
        Effect::Cloud(CloudAct::Terminate { instance, .. }) => {
            run.flights().get(instance).is_some_and(|flight| flight.member.node.is_none()).then(|| instance.clone())
        }
        Effect::Cloud(_) | Effect::Kube(_) => None,
    };
    let (cluster, cloud, heard) = (Arc::clone(&ports.cluster), Arc::clone(&ports.cloud), heard.clone());
    acts.spawn(async move {
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

/// Says on nodes and budgets what holds them; nobody waits for it.
fn announce<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    notices: Vec<Notice>,
    acts: &mut JoinSet<()>,
) {
    if !notices.is_empty() {
        let cluster = Arc::clone(&ports.cluster);
        acts.spawn(async move { cluster.announce(&notices).await });
    }
}

/// Since when the group cannot be read, and what was said about it.
#[derive(Default)]
struct Unread {
    since: Option<Timestamp>,
    said: String,
}

impl Unread {
    fn for_how_long(&mut self, now: Timestamp) -> Duration {
        elapsed(*self.since.get_or_insert(now), now)
    }

    fn is_news(&mut self, error: &PortError) -> bool {
        let said = error.to_string();
        let news = said != self.said;
        self.said = said;
        news
    }
}

/// Where events go.
struct Book<'a> {
    reporter: &'a mut dyn Reporter,
    journal: &'a mut dyn Journal,
    journal_failed: bool,
    announcer: Announcer,
}

impl<'a> Book<'a> {
    fn new(reporter: &'a mut dyn Reporter, journal: &'a mut dyn Journal) -> Self {
        Self { reporter, journal, journal_failed: false, announcer: Announcer::default() }
    }
}

impl Book<'_> {
    fn tell(&mut self, run: &mut Rollout, at: Timestamp, event: Event) {
        run.evolve(at, &event);
        self.announcer.note(&event);
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

    fn diagnose(&mut self, run: &mut Rollout, found: Option<Diagnosis>, at: Timestamp) {
        if let Some(diagnosis) = found {
            self.tell(run, at, Event::Diagnosed { diagnosis: Box::new(diagnosis) });
        }
    }

    fn warn(&mut self, run: &mut Rollout, at: Timestamp, error: &PortError) {
        self.tell(run, at, Event::Warning { message: error.to_string() });
    }
}

pub(super) struct AbortOnDrop(pub(super) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
