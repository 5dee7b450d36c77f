//! A cluster and its Auto Scaling group in virtual time.
//!
//! Apply an effect, advance to a moment, observe what changed: nothing waits and nothing sleeps, so that a world can
//! be played by the million. Controllers act at once; what takes time in a real cluster (machines, containers, the
//! status of budgets) takes its time here.
//!
//! Not played: priorities and preemption, preferred affinities, rolling
//! updates of workloads, restarts by liveness probes, graceful node shutdown, and what EKS itself does in the
//! termination hook of a managed group (here the hook only waits).

mod answer;
mod apply;
mod build;
mod controllers;
mod disruption;
mod eks;
mod eviction;
mod facts;
mod faults;
mod kubelet;
mod nodes;
mod observe;
mod placing;
mod scheduler;
mod state;
mod template;
#[cfg(test)]
mod tests;
mod troubles;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use facts::{Actor, Cordon, Facts, Killed, Loss, Termination, Uncordon, Violation};
pub use faults::Act;
pub use observe::Observer;

use self::state::{Budget, ChangeLog, Key, NodeKey, PodKey, SimNode, SimPod, Timer, Workload};
use crate::{
    domain::{InstanceId, Intent, Namespace, Node, NodeName, Pdb, Pod, Uid, Zone, later},
    sim::{Rng, asg::AutoScalingGroup, spec::WorldSpec},
};

/// A simulated world.
#[derive(Clone, Debug)]
pub struct World {
    spec: WorldSpec,
    start: Timestamp,
    now: Timestamp,
    rng: Rng,
    /// Chance of the wire alone, so that answers that go astray do not change what the world would do.
    wire: Rng,
    asg: AutoScalingGroup,
    nodes: BTreeMap<NodeKey, SimNode>,
    node_names: BTreeMap<NodeName, NodeKey>,
    used_names: BTreeSet<NodeName>,
    node_of_instance: BTreeMap<InstanceId, NodeKey>,
    last_node: NodeKey,
    pods: BTreeMap<PodKey, SimPod>,
    pod_uids: BTreeMap<Uid, PodKey>,
    last_pod: PodKey,
    workloads: Vec<Workload>,
    budgets: Vec<Budget>,
    /// Those that are being deleted.
    terminating_namespaces: BTreeMap<String, Namespace>,
    timers: BTreeMap<(Timestamp, u64), Timer>,
    last_timer: u64,
    to_reconcile: BTreeSet<usize>,
    to_reconcile_daemons: BTreeSet<NodeKey>,
    pending: BTreeSet<PodKey>,
    to_schedule: bool,
    log: ChangeLog,
    /// Changes with the group, and with what is known of its instances' nodes.
    group_revision: u64,
    joins_fail_until: Option<Timestamp>,
    nodes_fail_until: Option<Timestamp>,
    /// What those say of themselves.
    nodes_say: Option<String>,
    launches_lost_until: Option<Timestamp>,
    lose_next_reply: bool,
    available: u32,
    cordoned: u32,
    group_nodes: u32,
    zonal_volumes: BTreeSet<Zone>,
    intent: Option<Intent>,
    facts: Facts,
    /// At the start everything is as if it had run for hours.
    booting: bool,
}

impl World {
    /// What time it is there.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When it began.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &WorldSpec {
        &self.spec
    }

    /// When something will happen by itself; none when only a client can move it.
    #[must_use]
    pub fn next_event(&self) -> Option<Timestamp> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        [timer, self.asg.next_event()].into_iter().flatten().min().map(|at| at.max(self.now))
    }

    /// Lets time pass until that moment; time never goes back.
    pub fn advance_to(&mut self, moment: Timestamp) {
        self.settle();
        while let Some(next) = self.next_event().filter(|next| *next <= moment) {
            self.now = self.now.max(next);
            while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let timer = entry.remove();
                self.fire(timer);
            }
            self.settle();
        }
        self.now = self.now.max(moment);
    }

    /// The intent that a client saved.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    /// What happened so far.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The Auto Scaling group.
    #[must_use]
    pub fn asg(&self) -> &AutoScalingGroup {
        &self.asg
    }

    /// All nodes as the API server has them, those of others too.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(|node| &node.object)
    }

    /// The group's nodes.
    pub fn group_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.in_group).map(|node| &node.object)
    }

    /// All pods as the API server has them.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().map(|pod| &pod.object)
    }

    /// All budgets as the API server has them.
    pub fn budgets(&self) -> impl Iterator<Item = &Pdb> {
        self.budgets.iter().filter(|budget| !budget.deleted).map(|budget| &budget.object)
    }

    /// How many nodes of the group serve: Ready, schedulable, their instance in service.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.available
    }

    /// Pods that no node takes now.
    #[must_use]
    pub fn unscheduled(&self) -> usize {
        self.pending.len()
    }

    fn at(&mut self, delay: std::time::Duration, timer: Timer) {
        self.last_timer += 1;
        self.timers.insert((later(self.now, delay), self.last_timer), timer);
    }

    fn touch(&mut self, key: Key) {
        self.log.touch(key);
    }

    /// Lets everybody who acts at once act until nobody wants to.
    fn settle(&mut self) {
        loop {
            let events = self.asg.advance(self.now);
            if !events.is_empty() {
                self.group_revision += 1;
            }
            for event in events {
                self.on_asg_event(&event);
            }
            if let Some(node) = self.to_reconcile_daemons.pop_first() {
                self.reconcile_daemons(node);
            } else if let Some(workload) = self.to_reconcile.pop_first() {
                self.reconcile(workload);
            } else if std::mem::take(&mut self.to_schedule) {
                self.schedule();
            } else if self.asg.next_event().is_none_or(|at| at > self.now) {
                break;
            }
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Running(pod) => self.pod_runs(pod),
            Timer::Ready(pod) => self.pod_ready(pod),
            Timer::Crash(pod) => self.pod_crashes(pod),
            Timer::Finished(pod) => self.pod_finishes(pod),
            Timer::Stopped(pod) => self.pod_stops(pod),
            Timer::Detached { workload, ordinal, node } => self.volume_detached(workload, ordinal, node),
            Timer::Join(instance) => self.node_joins(&instance),
            Timer::NodeReady(node) => self.node_becomes_ready(node),
            Timer::TaintGoes(node, key) => self.taint_goes(node, &key),
            Timer::NoNode => self.group_revision += 1,
            Timer::NodeUnknown(node, epoch) => self.node_unknown(node, epoch),
            Timer::TaintEviction(node, epoch) => self.taint_eviction(node, epoch),
            Timer::NodeRecovers(node, epoch) => self.node_recovers(node, epoch),
            Timer::RemoveNode(node) => self.remove_node(node),
            Timer::SyncBudget(budget) => self.sync_budget(budget),
            Timer::MakeAgain(workload) => _ = self.to_reconcile.insert(workload),
            Timer::Fault(index) => self.fault_happens(index),
        }
    }
}
