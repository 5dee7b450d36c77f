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

/// Waits for this and renews the lock meanwhile: a look at a large cluster may take longer than the lock lasts.
pub(super) async fn while_renewing<L: Lock, K: Clock, T, E: Into<DriveError>>(
    lock: &Arc<L>,
    clock: &Arc<K>,
    wait: impl Future<Output = Result<T, E>>,
) -> Result<T, DriveError> {
    tokio::select! {
        done = wait => done.map_err(Into::into),
        lost = renew(Arc::clone(lock), Arc::clone(clock)) => Err(lost.into()),
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use jiff::Timestamp;

    /// Counts how often it is renewed.
    struct Counted(AtomicU32);

    impl Lock for Counted {
        async fn acquire(&self) -> Result<(), LockError> {
            Ok(())
        }

        async fn look(&self) -> Result<(), LockError> {
            Ok(())
        }

        async fn renew(&self) -> Result<(), LockError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        fn is_held(&self) -> bool {
            true
        }

        async fn release(&self) {}

        fn renew_every(&self) -> Duration {
            Duration::from_secs(10)
        }
    }

    /// Time that passes as soon as somebody waits for it.
    struct Hasty(Mutex<Timestamp>);

    impl Clock for Hasty {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn sleep_until(&self, moment: Timestamp) {
            tokio::task::yield_now().await;
            let mut now = self.0.lock().unwrap();
            *now = moment.max(*now);
        }
    }

    #[tokio::test]
    async fn a_look_that_takes_long_does_not_lose_the_lock() {
        let (lock, clock) = (Arc::new(Counted(AtomicU32::new(0))), Arc::new(Hasty(Mutex::new(Timestamp::UNIX_EPOCH))));
        let long = later(clock.now(), Duration::from_secs(95));
        let look = async {
            while clock.now() < long {
                tokio::task::yield_now().await;
            }
            Ok::<_, DriveError>("seen")
        };
        assert_eq!(while_renewing(&lock, &clock, look).await.unwrap(), "seen");
        assert!(lock.0.load(Ordering::Relaxed) >= 9, "{:?}", lock.0);
    }
}
