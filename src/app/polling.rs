//! Reading the group: once every few seconds, sooner when something happened that only a reading shows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::driver::AbortOnDrop;
use crate::{
    domain::{Change, Group, Snapshot, later},
    ports::{Clock, Cloud, PortError},
};

/// Auto Scaling's API is throttled for the whole account; one call each five seconds for a group leaves room.
const EVERY: Duration = Duration::from_secs(5);

/// And never two within this, whatever happens.
const AT_LEAST: Duration = Duration::from_millis(1500);

/// Why a reading is wanted sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nudge {
    /// We changed something.
    Acted,
    /// A new Node is Ready: is its instance in service?
    NodeReady,
}

/// Reads the group in the background.
pub(super) struct Poller {
    wanted: Arc<Notify>,
    activities: Arc<AtomicBool>,
    _task: AbortOnDrop,
}

impl Poller {
    /// Starts reading; each reading is handed to `deliver`.
    pub(super) fn start<A: Cloud, K: Clock>(
        cloud: Arc<A>,
        clock: Arc<K>,
        deliver: impl Fn(Result<Group, PortError>) + Send + Sync + 'static,
    ) -> Self {
        let (wanted, activities) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let task = tokio::spawn({
            let (wanted, activities) = (Arc::clone(&wanted), Arc::clone(&activities));
            async move {
                loop {
                    let began = clock.now();
                    deliver(cloud.read(activities.load(Ordering::Relaxed)).await);
                    clock.sleep_until(later(began, AT_LEAST)).await;
                    tokio::select! {
                        () = clock.sleep_until(later(began, EVERY)) => {}
                        () = wanted.notified() => {}
                    }
                }
            }
        });
        Self { wanted, activities, _task: AbortOnDrop(task) }
    }

    /// Whether scaling activities are worth reading.
    pub(super) fn want_activities(&mut self, wanted: bool) {
        self.activities.store(wanted, Ordering::Relaxed);
    }

    /// Wants a reading soon.
    pub(super) fn nudge(&mut self, _why: Nudge) {
        self.wanted.notify_one();
    }

    /// Wants a reading soon where this change says so.
    pub(super) fn nudge_if(&mut self, change: &Change, snapshot: &Snapshot) {
        if let Change::Node(node) = change
            && node.is_ready()
            && !snapshot.node(&node.name).is_some_and(crate::domain::Node::is_ready)
        {
            self.nudge(Nudge::NodeReady);
        }
    }
}
