//! The world behind the ports, with a clock that may run faster than the wall's.
//!
//! Time follows `tokio::time`, so that under a paused runtime a whole run takes no time and is the same every time.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};

use super::{Observer, World};
use crate::{
    domain::{Answer, Ask, Change, Group, InstanceId, Intent, Notice, Operator, elapsed, later},
    ports::{Clock, Cloud, CloudAct, Cluster, Effect, KubeAct, Lock, LockError, Outcome, PortError, Watch},
};

/// How long a holder that does not renew keeps its lock.
const LEASE: Duration = Duration::from_secs(30);

/// Longer waits than this are for ever.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// A world that several clients share, and the time that they share.
#[derive(Clone, Debug)]
pub struct Sim {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    lease: Mutex<Option<Lease>>,
    /// What was announced on objects; nobody in the world reads it.
    notices: Mutex<Vec<Notice>>,
    clock: SimClock,
    /// Counts acts, so that whoever waits for changes looks again.
    acts: watch::Sender<u64>,
    sessions: AtomicU64,
}

#[derive(Clone, Debug)]
struct Lease {
    holder: Operator,
    session: u64,
    since: Timestamp,
    renewed: Timestamp,
}

/// Virtual time: so many seconds of it for each second that passes.
#[derive(Clone, Debug)]
pub struct SimClock {
    began: Instant,
    start: Timestamp,
    speed: f64,
}

/// The Kubernetes side of a world, as one client sees it.
#[derive(Debug)]
pub struct SimCluster {
    sim: Sim,
    view: Mutex<View>,
}

#[derive(Debug)]
struct View {
    observer: Observer,
    watch: Watch,
}

/// The AWS side of a world.
#[derive(Clone, Debug)]
pub struct SimCloud {
    sim: Sim,
}

/// The lock of a world, as one client holds it.
#[derive(Debug)]
pub struct SimLock {
    sim: Sim,
    operator: Operator,
    session: u64,
}

impl Sim {
    /// Sets a world going, `speed` virtual seconds for each second; a speed that is none counts as 1. However fast, no
    /// moment lies beyond the end of time.
    #[must_use]
    pub fn new(world: World, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        let clock = SimClock { began: Instant::now(), start: world.now(), speed };
        let (acts, _) = watch::channel(0);
        let (world, lease, notices) = (Mutex::new(world), Mutex::new(None), Mutex::default());
        Self { shared: Arc::new(Shared { world, lease, notices, clock, acts, sessions: AtomicU64::new(0) }) }
    }

    /// Its time.
    #[must_use]
    pub fn clock(&self) -> SimClock {
        self.shared.clock.clone()
    }

    /// Its Kubernetes side, for a client that has seen nothing yet.
    #[must_use]
    pub fn cluster(&self) -> SimCluster {
        let view = View { observer: Observer::new().without_group(), watch: Watch::default() };
        SimCluster { sim: self.clone(), view: Mutex::new(view) }
    }

    /// Its AWS side.
    #[must_use]
    pub fn cloud(&self) -> SimCloud {
        SimCloud { sim: self.clone() }
    }

    /// Its lock, for this client; each call is another session.
    #[must_use]
    pub fn lock(&self, operator: Operator) -> SimLock {
        let session = self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        SimLock { sim: self.clone(), operator, session }
    }

    /// Looks at the world as it is now.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.now())
    }

    /// Does something to the world, as somebody else would; whoever waits for changes looks again.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.now());
        self.wake();
        result
    }

    /// What was announced on its objects so far.
    #[must_use]
    pub fn announced(&self) -> Vec<Notice> {
        hold(&self.shared.notices).clone()
    }

    fn answer(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        self.look(|world| asks.iter().map(|ask| world.answer(ask.clone())).collect())
    }

    fn wake(&self) {
        self.shared.acts.send_modify(|acts| *acts += 1);
    }

    /// The world, brought to the clock's time.
    fn now(&self) -> MutexGuard<'_, World> {
        let mut world = hold(&self.shared.world);
        world.advance_to(self.shared.clock.now());
        world
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = Duration::try_from_secs_f64(self.began.elapsed().as_secs_f64() * self.speed);
        later(self.start, passed.unwrap_or(Duration::MAX))
    }

    async fn sleep_until(&self, moment: Timestamp) {
        // The runtime's timers count in milliseconds: look whether it is time indeed.
        while self.now() < moment {
            let wait = Duration::try_from_secs_f64(elapsed(self.now(), moment).as_secs_f64() / self.speed);
            match wait {
                Ok(wait) if wait < FOREVER => tokio::time::sleep(wait.max(Duration::from_micros(100))).await,
                Ok(_) | Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Cluster for SimCluster {
    fn anew(&self) -> Self {
        self.sim.cluster()
    }

    async fn changes(&self) -> Result<Vec<Change>, PortError> {
        loop {
            let mut acts = self.sim.shared.acts.subscribe();
            let next = {
                let mut world = self.sim.now();
                let view = &mut *hold(&self.view);
                if world.has_news(&view.observer, &view.watch) {
                    let changes = world.observe(&mut view.observer, &view.watch);
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
                world.next_event()
            };
            tokio::select! {
                () = self.sim.shared.clock.sleep_until(next.unwrap_or(Timestamp::MAX)) => {}
                // The sender lives as long as the world does, so an error cannot come.
                _ = acts.changed() => {}
            }
        }
    }

    fn watch(&self, watch: &Watch) {
        hold(&self.view).watch.clone_from(watch);
        self.sim.wake();
    }

    async fn act(&self, act: &KubeAct) -> Outcome {
        self.sim.change(|world| world.apply(&Effect::Kube(act.clone())))
    }

    async fn without_node(&self, instances: &BTreeSet<InstanceId>) -> Result<BTreeSet<InstanceId>, PortError> {
        Ok(self.sim.look(|world| {
            let known: BTreeSet<&InstanceId> = world.nodes().filter_map(|node| node.instance.as_ref()).collect();
            instances.iter().filter(|instance| !known.contains(instance)).cloned().collect()
        }))
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        self.sim.answer(asks)
    }

    async fn announce(&self, notices: &[Notice]) {
        hold(&self.sim.shared.notices).extend_from_slice(notices);
    }

    async fn intent(&self) -> Result<Option<Intent>, PortError> {
        Ok(self.sim.look(|world| world.intent().cloned()))
    }
}

impl Cloud for SimCloud {
    async fn read(&self, activities: bool) -> Result<Group, PortError> {
        let mut group = self.sim.look(|world| world.describe_group(activities));
        // AWS knows nothing of Nodes; whoever wants to know looks through them.
        for instance in group.instances.values_mut() {
            instance.no_node = false;
        }
        Ok(group)
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        self.sim.answer(asks)
    }

    async fn act(&self, act: &CloudAct) -> Outcome {
        self.sim.change(|world| world.apply(&Effect::Cloud(act.clone())))
    }
}

impl SimLock {
    fn take(&self) -> Result<(), LockError> {
        let now = self.sim.shared.clock.now();
        let mut lease = hold(&self.sim.shared.lease);
        self.refused_by(lease.as_ref(), now)?;
        let since = lease.as_ref().filter(|held| held.session == self.session).map_or(now, |held| held.since);
        *lease = Some(Lease { holder: self.operator.clone(), session: self.session, since, renewed: now });
        Ok(())
    }

    fn refused_by(&self, lease: Option<&Lease>, now: Timestamp) -> Result<(), LockError> {
        match lease.filter(|held| held.session != self.session && later(held.renewed, LEASE) > now) {
            None => Ok(()),
            Some(held) => Err(LockError::Held {
                lease: "lease/kube-system/mngup".to_owned(),
                holder: held.holder.clone(),
                since: held.since,
                renewed: held.renewed,
                runs_out: later(held.renewed, LEASE),
            }),
        }
    }
}

impl Lock for SimLock {
    async fn acquire(&self) -> Result<(), LockError> {
        self.take()
    }

    async fn look(&self) -> Result<(), LockError> {
        self.refused_by(hold(&self.sim.shared.lease).as_ref(), self.sim.shared.clock.now())
    }

    async fn renew(&self) -> Result<(), LockError> {
        self.take()
    }

    /// Virtual time may run faster than the runtime can renew: what counts is whether somebody took it.
    fn is_held(&self) -> bool {
        hold(&self.sim.shared.lease).as_ref().is_some_and(|held| held.session == self.session)
    }

    async fn release(&self) {
        let mut lease = hold(&self.sim.shared.lease);
        if lease.as_ref().is_some_and(|held| held.session == self.session) {
            *lease = None;
        }
    }

    fn renew_every(&self) -> Duration {
        LEASE / 3
    }
}

/// A client that panicked leaves the world as it is: nothing in it is half done between two calls.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
