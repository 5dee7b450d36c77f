//! `mngup abort`: undo what a run did, and only that.

use tokio::sync::mpsc;

use super::{
    driver::{Desk, DriveError, Ports, Stop, drive, unless_stopped},
    lease::{give_back, regain, while_renewing},
    observe::{Observed, look_on, observe},
    upgrade::members,
};
use crate::{
    domain::{Intent, Node, PENDING_TAINT, Process, Snapshot},
    engine::{
        Goal, Rollout,
        event::{Event, RunOutcome},
    },
    plan,
    ports::{Clock, Cloud, Cluster, Journal, Lock, PortError},
    report::{Reporter, Undoing},
};

/// A run that could be undone.
#[derive(Clone, Debug)]
pub struct Undoable {
    snapshot: Snapshot,
    intent: Intent,
}

/// Looks at what there is to be undone; none when no run left anything. Writes nothing and needs no lock.
///
/// # Errors
/// When group or cluster cannot be read.
pub async fn undoable<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
) -> Result<Option<Undoable>, PortError> {
    let Observed { snapshot, intent } = observe(ports).await?;
    Ok(intent.map(|intent| Undoable { snapshot, intent }))
}

impl Undoable {
    /// What there is to be undone.
    #[must_use]
    pub fn undoing(&self) -> Undoing {
        traces(&self.intent, &self.snapshot)
    }
}

/// The traces of this run that are to be seen.
fn traces(intent: &Intent, snapshot: &Snapshot) -> Undoing {
    let nodes = || members(snapshot).filter_map(|name| snapshot.node(name));
    let those = |is: &dyn Fn(&Node) -> bool| nodes().filter(|node| is(node)).map(|node| node.name.clone()).collect();
    let group = snapshot.group();
    let size = group.map_or(intent.size, |group| group.size);
    let suspended = group.is_some_and(|group| group.suspended.contains(&Process::AzRebalance));
    Undoing {
        cluster: intent.cluster.clone(),
        group: intent.group.clone(),
        operator: intent.operator.clone(),
        started_at: intent.started_at,
        cordoned: those(&|node| node.marks.cordoned()),
        excluded: those(&|node| node.marks.excluded()),
        tainted: those(&|node| node.taints.contains(&PENDING_TAINT.taint())),
        shielded: those(&|node| node.marks.shielded()),
        az_rebalance: suspended && intent.suspended_az_rebalance,
        extra: intent.extra(size),
        max: intent.raised_max.filter(|max| *max == size.max).map(|max| (max, intent.size.max)),
        size,
    }
}

/// A run that is about to be undone: its lock is held, and nothing was told or done yet.
#[derive(Debug)]
pub struct BegunAbort<'a, C, A, K, L> {
    ports: &'a Ports<C, A, K, L>,
    snapshot: Snapshot,
    intent: Intent,
}

/// Takes the lock, or says who has it, and looks again. Returns none when there is nothing to undo any more.
///
/// # Errors
/// [`DriveError`]; the lock is not held then.
pub async fn begin_abort<'a, C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &'a Ports<C, A, K, L>,
    seen: Undoable,
    stop: &mut mpsc::Receiver<Stop>,
) -> Result<Option<BegunAbort<'a, C, A, K, L>>, DriveError> {
    unless_stopped(stop, ports.lock.acquire()).await?;
    let Undoable { mut snapshot, .. } = seen;
    let intent = unless_stopped(stop, while_renewing(&ports.lock, &ports.clock, look_on(ports, &mut snapshot))).await;
    if let Ok(Some(intent)) = intent {
        return Ok(Some(BegunAbort { ports, snapshot, intent }));
    }
    give_back(&*ports.lock, intent.as_ref().err()).await;
    intent.map(|_| None)
}

impl<C: Cluster, A: Cloud, K: Clock, L: Lock> BegunAbort<'_, C, A, K, L> {
    /// What the run meant to do.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// What there is to be undone, now that nobody else is at it.
    #[must_use]
    pub fn undoing(&self) -> Undoing {
        traces(&self.intent, &self.snapshot)
    }

    /// Undoes the run that the cluster remembers: cordons, labels, taints, annotations, sizes, suspended processes.
    /// Nodes that are new stay. Returns none when meanwhile another undid it. Gives the lock back.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn drive(
        self,
        reporter: &mut dyn Reporter,
        journal: &mut dyn Journal,
        stop: &mut mpsc::Receiver<Stop>,
    ) -> Result<Option<RunOutcome>, DriveError> {
        let mut desk = Desk { reporter, journal, stop };
        let observed = Observed { snapshot: self.snapshot, intent: Some(self.intent) };
        let mut outcome = Box::pin(undo(self.ports, observed, &mut desk, None)).await;
        let mut ports = self.ports.clone();
        while let Err(DriveError::Adrift { stop }) = outcome {
            outcome = match again(&mut ports, &mut desk).await {
                Ok(observed) => Box::pin(undo(&ports, observed, &mut desk, stop)).await,
                Err(error) => Err(error),
            };
        }
        give_back(&*ports.lock, outcome.as_ref().err()).await;
        outcome
    }
}

/// Waits until the lock is ours again, and looks at everything anew.
async fn again<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &mut Ports<C, A, K, L>,
    desk: &mut Desk<'_>,
) -> Result<Observed, DriveError> {
    *ports = regain(ports, desk).await?;
    desk.unless_stopped(while_renewing(&ports.lock, &ports.clock, observe(ports))).await
}

async fn undo<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    observed: Observed,
    desk: &mut Desk<'_>,
    stop: Option<RunOutcome>,
) -> Result<Option<RunOutcome>, DriveError> {
    let Observed { mut snapshot, intent } = observed;
    let Some(intent) = intent else { return Ok(None) };
    let old = plan::old_nodes(&snapshot, &intent.policy);
    let mut run = Rollout::resume(intent.clone(), intent, Goal::Abort, &snapshot, ports.clock.now());
    let first = Event::RunResumed { intent: Box::new(run.intent().clone()), old };
    let outcome = drive(ports, &mut run, &mut snapshot, first, desk, stop).await;
    desk.reporter.size(snapshot.group().map(|group| group.size));
    outcome.map(Some)
}
