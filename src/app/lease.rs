//! Keeping the lock, and what to do when that was not possible for a while.

use std::{sync::Arc, time::Duration};

use super::driver::{Desk, DriveError, Ports};
use crate::{
    domain::{elapsed, later, short},
    ports::{Clock, Cloud, Cluster, Lock, LockError, PortError},
};

/// Renews the lock until somebody else has it; returns what says so.
pub(super) async fn renew<L: Lock, K: Clock>(lock: Arc<L>, clock: Arc<K>) -> LockError {
    loop {
        clock.sleep_until(later(clock.now(), lock.renew_every())).await;
        match renew_once(&*lock, &*clock).await {
            Ok(()) => {}
            // Nobody else can take it while the server is away; when time is up, the run waits until it is ours again.
            Err(LockError::Port(error)) => tracing::warn!(%error, "the lease could not be renewed"),
            Err(error @ (LockError::Held { .. } | LockError::Lost { .. })) => return error,
        }
    }
}

/// One attempt, which does not hang: a connection that died with the network would hold all that come after it.
async fn renew_once<L: Lock, K: Clock>(lock: &L, clock: &K) -> Result<(), LockError> {
    let every = lock.renew_every();
    tokio::select! {
        renewed = lock.renew() => renewed,
        () = clock.sleep_until(later(clock.now(), every)) => {
            let message = format!("no answer within {}", short(every));
            Err(PortError::Unreachable { server: "the Kubernetes API server".to_owned(), message }.into())
        }
    }
}

/// Waits until the lock is ours again after it could not be renewed in time, for as long as nobody else takes it, and
/// returns ports whose view of the cluster has seen nothing yet.
///
/// # Errors
/// When somebody else took the lock, or the user stops.
pub(super) async fn regain<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    desk: &mut Desk<'_>,
) -> Result<Ports<C, A, K, L>, DriveError> {
    let since = ports.clock.now();
    let mut said = String::new();
    let pause = ports.lock.renew_every() / 2;
    loop {
        let renewed = match desk
            .unless_stopped(async { Ok::<_, DriveError>(renew_once(&*ports.lock, &*ports.clock).await) })
            .await?
        {
            Err(LockError::Port(error)) => Some(error),
            answer => {
                answer?;
                None
            }
        };
        let Some(error) = renewed else { break };
        if said != error.to_string() {
            said = error.to_string();
            desk.warn(ports.clock.now(), format!("nothing is done until the lock can be renewed: {said}"));
        }
        let nap = async {
            ports.clock.sleep_until(later(ports.clock.now(), pause)).await;
            Ok::<_, DriveError>(())
        };
        desk.unless_stopped(nap).await?;
    }
    let now = ports.clock.now();
    let gap = short(elapsed(since, now));
    desk.warn(
        now,
        format!("the lock was not renewed in time and is ours again after {gap}; looking at everything anew"),
    );
    Ok(Ports { cluster: Arc::new(ports.cluster.anew()), ..ports.clone() })
}

/// Gives the lock back, without waiting for long: it runs out by itself.
pub(super) async fn give_back<L: Lock>(lock: &L, outcome: Option<&DriveError>) {
    const PATIENCE: Duration = Duration::from_secs(3);
    match outcome {
        // It is somebody else's.
        Some(DriveError::Lock(_)) => {}
        None | Some(DriveError::Port(_) | DriveError::Left | DriveError::Adrift { .. }) => {
            drop(tokio::time::timeout(PATIENCE, lock.release()).await);
        }
    }
}
