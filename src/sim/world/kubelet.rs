//! Kubelets: containers start, become ready, stop in their own time or not at all.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    World,
    state::{Kubelet, NodeKey, PodKey, Timer},
};
use crate::{
    domain::{Container, ContainerState, Deletion, Exit, PodPhase, Trouble, elapsed, later},
    sim::spec::TroubleKind,
};

/// How long a container that crashes runs, and how long the kubelet waits then; real back-off grows to five minutes.
const CRASH_AGAIN: Duration = Duration::from_mins(1);

impl World {
    /// A pod has got its node.
    pub(super) fn pod_lands(&mut self, key: PodKey) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        let Some(node_key) = pod.node else { return };
        if let Some(volume) = self.workloads[pod.workload].volumes.get_mut(&pod.ordinal) {
            if volume.attached.is_some_and(|attached| attached != node_key) {
                pod.waits_for_volume = true;
                pod.object.trouble = Some(creating(&self.workloads[pod.workload].spec.name));
                return;
            }
            if volume.attached.is_none() {
                volume.attached = Some(node_key);
                let id = volume.id.clone();
                if let Some(node) = self.nodes.get_mut(&node_key) {
                    node.object.volumes.push(id);
                    self.node_changed(node_key);
                }
            }
        }
        self.start_container(key);
    }

    fn start_container(&mut self, key: PodKey) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        pod.waits_for_volume = false;
        pod.object.trouble = None;
        if let Some(trouble) = pod.trouble.filter(|trouble| trouble.prevents_start()) {
            pod.object.trouble = trouble.words(&self.workloads[pod.workload].spec.name, 3);
            self.pod_changed(key);
            return;
        }
        let start = self.workloads[pod.workload].spec.start;
        if self.booting {
            self.pod_runs(key);
        } else {
            self.at(start, Timer::Running(key));
        }
    }

    /// Whether the kubelet of this pod's node still does anything.
    fn kubelet_works(&self, key: PodKey) -> bool {
        let node = self.pods.get(&key).and_then(|pod| pod.node).and_then(|node| self.nodes.get(&node));
        node.is_some_and(|node| matches!(node.kubelet, Kubelet::Serves | Kubelet::NotReady))
    }

    pub(super) fn pod_runs(&mut self, key: PodKey) {
        if !self.kubelet_works(key) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&key) else { return };
        if pod.object.deletion.is_some() || pod.object.phase != PodPhase::Pending {
            return;
        }
        // The kubelet writes condition Ready with its first word of the pod, however long that waited for a node.
        pod.object.ready_since.get_or_insert(self.now);
        pod.object.phase = PodPhase::Running;
        let spec = &self.workloads[pod.workload].spec;
        let (ready, runs) = (spec.ready, spec.runs);
        match pod.trouble {
            Some(trouble @ (TroubleKind::NeverReady | TroubleKind::Gate)) => {
                pod.object.trouble = trouble.words(&spec.name, 0);
            }
            Some(TroubleKind::CrashLoop) => {
                self.at(ready, Timer::Crash(key));
            }
            None
            | Some(
                TroubleKind::ImagePull
                | TroubleKind::ConfigMissing
                | TroubleKind::InitFails
                | TroubleKind::NoAddress
                | TroubleKind::Sandbox
                | TroubleKind::StuckTerminating
                | TroubleKind::SchedulingGated
                | TroubleKind::NoScheduler
                | TroubleKind::UnboundClaim,
            ) => {
                if self.booting {
                    self.pod_ready(key);
                } else {
                    self.at(ready, Timer::Ready(key));
                }
                if let Some(runs) = runs {
                    self.at(runs, Timer::Finished(key));
                }
            }
        }
        self.pod_changed(key);
    }

    pub(super) fn pod_ready(&mut self, key: PodKey) {
        if !self.kubelet_works(key) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&key) else { return };
        if pod.object.deletion.is_some() || pod.object.phase != PodPhase::Running {
            return;
        }
        pod.process_ready = true;
        self.show_readiness(key);
    }

    pub(super) fn pod_crashes(&mut self, key: PodKey) {
        if !self.kubelet_works(key) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&key) else { return };
        if pod.object.deletion.is_some() {
            return;
        }
        pod.crashes += 1;
        pod.object.trouble = TroubleKind::CrashLoop.words(&self.workloads[pod.workload].spec.name, pod.crashes);
        // A few are enough to be seen; more would only keep a world that stands still busy.
        if pod.crashes < 10 {
            self.at(CRASH_AGAIN, Timer::Crash(key));
        }
        self.pod_changed(key);
    }

    pub(super) fn pod_finishes(&mut self, key: PodKey) {
        if !self.kubelet_works(key) {
            return;
        }
        let Some(pod) = self.pods.get_mut(&key) else { return };
        if pod.object.deletion.is_some() || pod.object.phase != PodPhase::Running {
            return;
        }
        pod.object.phase = PodPhase::Succeeded;
        pod.object.ready = false;
        pod.process_ready = false;
        let (workload, node_key) = (pod.workload, pod.node);
        self.workloads[workload].succeeded += 1;
        // A finished pod stays on its node and takes no room there.
        if let Some(node) = node_key.and_then(|node| self.nodes.get_mut(&node)) {
            node.used.give_back(&self.workloads[workload].request);
            self.to_schedule = true;
        }
        self.pod_changed(key);
        self.to_reconcile.insert(workload);
    }

    /// Ready is what the process says, as long as its node is ready too.
    pub(super) fn show_readiness(&mut self, key: PodKey) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        let node_ready = pod.node.and_then(|node| self.nodes.get(&node)).is_some_and(|node| node.object.is_ready());
        let ready = pod.process_ready && node_ready;
        if pod.object.ready == ready {
            return;
        }
        pod.object.ready = ready;
        pod.object.ready_since = Some(self.now);
        let workload = pod.workload;
        self.to_reconcile.insert(workload);
        self.pod_changed(key);
    }

    /// The API server takes a DELETE, or an accepted eviction; a shorter grace period than before is honoured.
    pub(super) fn begin_deletion(&mut self, key: PodKey, grace: Option<u32>) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        let grace_seconds = grace.unwrap_or(pod.object.grace_seconds);
        if pod.object.deletion.is_some_and(|deletion| deletion.grace_seconds <= grace_seconds) {
            return;
        }
        let spec = &self.workloads[pod.workload].spec;
        let grace = Duration::from_secs(u64::from(grace_seconds));
        // What never started is gone at once, and what asked for no grace at all.
        let at_once = pod.node.is_none() || pod.object.is_finished() || grace_seconds == 0;
        let since = pod.object.deletion.map_or(self.now, |deletion| {
            let before = Duration::from_secs(u64::from(deletion.grace_seconds));
            deletion.due.checked_sub(before).unwrap_or(self.now)
        });
        pod.object.deletion = Some(Deletion { due: later(self.now, grace), grace_seconds });
        let stop = match pod.object.phase {
            PodPhase::Pending => Duration::ZERO,
            PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed | PodPhase::Unknown => spec.stop,
        };
        let stuck = pod.trouble == Some(TroubleKind::StuckTerminating) && pod.object.phase == PodPhase::Running;
        let workload = pod.workload;
        self.pod_changed(key);
        self.to_reconcile.insert(workload);
        if at_once {
            self.pod_is_done(key);
        } else if !stuck {
            let left = stop.saturating_sub(elapsed(since, self.now));
            self.at(left.min(grace), Timer::Stopped(key));
        }
    }

    pub(super) fn pod_stops(&mut self, key: PodKey) {
        if self.kubelet_works(key) {
            self.pod_is_done(key);
        }
    }

    /// Its process has ended: the object goes, unless a finalizer holds it.
    pub(super) fn pod_is_done(&mut self, key: PodKey) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        if pod.object.finalizers.is_empty() {
            self.remove_pod(key);
        } else if !pod.stopped {
            pod.stopped = true;
            pod.process_ready = false;
            pod.object.ready = false;
            pod.object.trouble = Some(ended(&self.workloads[pod.workload].spec.name, self.now));
            self.pod_changed(key);
        }
    }

    /// A volume is let go of, unless its pod came back to the same node meanwhile; whoever waited for it starts.
    pub(super) fn volume_detached(&mut self, workload: usize, ordinal: u32, node_key: NodeKey) {
        let users = self.workloads[workload].pods.iter().filter_map(|key| self.pods.get(key));
        if users.into_iter().any(|pod| pod.ordinal == ordinal && pod.node == Some(node_key)) {
            return;
        }
        let Some(volume) = self.workloads[workload].volumes.get_mut(&ordinal) else { return };
        if volume.attached != Some(node_key) {
            return;
        }
        volume.attached = None;
        let id = volume.id.clone();
        if let Some(node) = self.nodes.get_mut(&node_key) {
            node.object.volumes.retain(|known| *known != id);
            self.node_changed(node_key);
        }
        let waiting = self.workloads[workload].pods.iter().copied().find(|key| {
            self.pods.get(key).is_some_and(|pod| pod.ordinal == ordinal && pod.waits_for_volume && pod.node.is_some())
        });
        if let Some(waiting) = waiting {
            self.pod_lands(waiting);
        }
    }
}

/// A pod whose volumes are not there yet: its status says no more than this.
fn creating(workload: &str) -> Box<Trouble> {
    with_container(workload, ContainerState::Waiting { reason: "ContainerCreating".to_owned(), message: None })
}

/// A pod that has ended and whose object stays, as kubelets before 1.27 tell it: later ones also give it its last phase,
/// and a drain passes by what has that.
fn ended(workload: &str, at: Timestamp) -> Box<Trouble> {
    let exit = Exit { code: 0, reason: Some("Completed".to_owned()), message: None, at: Some(at) };
    with_container(workload, ContainerState::Ended(exit))
}

fn with_container(workload: &str, state: ContainerState) -> Box<Trouble> {
    let container = Container {
        name: workload.to_owned(),
        image: format!("registry.example.com/{workload}:2"),
        init: false,
        state,
        ended_before: None,
        restarts: 0,
        ready: false,
    };
    Box::new(Trouble { containers: vec![container], ..Trouble::default() })
}
