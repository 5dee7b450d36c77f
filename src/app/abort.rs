//! `mngup abort`: undo what a run did, and only that.

use tokio::sync::mpsc;

use super::{
    driver::{DriveError, Ports, Stop, drive},
    observe::observe,
};
use crate::{
    engine::{
        Goal, Rollout,
        event::{Event, RunOutcome},
    },
    plan,
    ports::{Clock, Cloud, Cluster, Journal, Lock},
    report::Reporter,
};

/// Undoes the run that the cluster remembers: cordons, labels, taints, annotations, sizes, suspended processes. Nodes
/// that are new stay. Returns none when there is nothing to undo.
///
/// # Errors
/// [`DriveError`].
pub async fn abort<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    reporter: &mut dyn Reporter,
    journal: &mut dyn Journal,
    stop: &mut mpsc::Receiver<Stop>,
) -> Result<Option<RunOutcome>, DriveError> {
    ports.lock.acquire().await?;
    let outcome = undo(ports, reporter, journal, stop).await;
    ports.lock.release().await;
    outcome
}

async fn undo<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    reporter: &mut dyn Reporter,
    journal: &mut dyn Journal,
    stop: &mut mpsc::Receiver<Stop>,
) -> Result<Option<RunOutcome>, DriveError> {
    let seen = observe(ports).await?;
    let Some(intent) = seen.intent else { return Ok(None) };
    let mut snapshot = seen.snapshot;
    let old = plan::old_nodes(&snapshot, &intent.policy);
    let mut run = Rollout::resume(intent, Goal::Abort, &snapshot, ports.clock.now());
    let first = Event::RunResumed { intent: Box::new(run.intent().clone()), old };
    drive(ports, &mut run, &mut snapshot, vec![first], reporter, journal, stop).await.map(Some)
}
