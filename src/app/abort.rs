//! `mngup abort`: undo what a run did, and only that.

use tokio::sync::mpsc;

use super::{
    driver::{Desk, DriveError, Ports, Stop, drive},
    lease::{give_back, regain},
    observe::{Observed, observe},
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
    let mut desk = Desk { reporter, journal, stop };
    desk.unless_stopped(ports.lock.acquire()).await?;
    let mut outcome = Box::pin(undo(ports, &mut desk, false)).await;
    let mut ports = ports.clone();
    while let Err(DriveError::Adrift { stopping }) = outcome {
        outcome = match regain(&ports, &mut desk).await {
            Ok(regained) => {
                ports = regained;
                Box::pin(undo(&ports, &mut desk, stopping)).await
            }
            Err(error) => Err(error),
        };
    }
    give_back(&*ports.lock, outcome.as_ref().err()).await;
    outcome
}

async fn undo<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    desk: &mut Desk<'_>,
    stopping: bool,
) -> Result<Option<RunOutcome>, DriveError> {
    let Observed { mut snapshot, intent } = desk.unless_stopped(observe(ports)).await?;
    let Some(intent) = intent else { return Ok(None) };
    let old = plan::old_nodes(&snapshot, &intent.policy);
    let mut run = Rollout::resume(intent.clone(), intent, Goal::Abort, &snapshot, ports.clock.now());
    let first = Event::RunResumed { intent: Box::new(run.intent().clone()), old };
    drive(ports, &mut run, &mut snapshot, first, desk, stopping).await.map(Some)
}
