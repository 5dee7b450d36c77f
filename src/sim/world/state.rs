//! The things of a world, as they are inside: the objects that clients see, and what only the world knows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    domain::{InstanceId, Node, NodeName, Pdb, Pod, Toleration, Uid, Zone},
    sim::spec::{TroubleKind, WorkloadSpec},
};

/// Numbers tell nodes and pods apart inside; names are for the outside.
pub(super) type NodeKey = u32;
pub(super) type PodKey = u32;

/// Room on a node, or what a pod takes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pub(super) pods: u32,
    pub(super) extended: BTreeMap<String, u64>,
}

/// What became of the kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kubelet {
    /// It works.
    Serves,
    /// It works and says that its node is not ready.
    NotReady,
    /// It hangs: nothing starts and nothing stops.
    Dead,
    /// Its machine is down.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct SimNode {
    pub(super) object: Node,
    pub(super) in_group: bool,
    pub(super) capacity: Room,
    pub(super) used: Room,
    pub(super) pods: BTreeSet<PodKey>,
    pub(super) kubelet: Kubelet,
    /// Counts changes of condition Ready, so that timers of an earlier one are ignored.
    pub(super) ready_epoch: u32,
    /// Serves for the group: Ready, schedulable, its instance in service.
    pub(super) available: bool,
}

#[derive(Clone, Debug)]
pub(super) struct SimPod {
    pub(super) object: Pod,
    pub(super) workload: usize,
    /// A StatefulSet's ordinal, or a running number.
    pub(super) ordinal: u32,
    /// A daemon pod's node.
    pub(super) pinned: Option<NodeKey>,
    pub(super) node: Option<NodeKey>,
    pub(super) trouble: Option<TroubleKind>,
    /// Its process is ready, whatever its node is.
    pub(super) process_ready: bool,
    /// Its process has ended; only a finalizer keeps the object.
    pub(super) stopped: bool,
    pub(super) waits_for_volume: bool,
    pub(super) crashes: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) spec: WorkloadSpec,
    /// Name of its ReplicaSet, or its own.
    pub(super) owner_name: String,
    pub(super) replicas: u32,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) request: Room,
    pub(super) pods: BTreeSet<PodKey>,
    pub(super) per_node: BTreeMap<NodeKey, u32>,
    pub(super) per_zone: BTreeMap<Zone, u32>,
    pub(super) budgets: Vec<usize>,
    pub(super) volumes: BTreeMap<u32, Volume>,
    /// Nobody detaches its volumes any more, as long as their node is there.
    pub(super) attachments_stick: bool,
    pub(super) made: u32,
    /// The last pod that the server did not let it make: since when that is so, and its words.
    pub(super) refused: Option<(Timestamp, String)>,
    pub(super) succeeded: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) zone: Option<Zone>,
    pub(super) attached: Option<NodeKey>,
}

#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub(super) object: Pdb,
    pub(super) deleted: bool,
    pub(super) workloads: Vec<usize>,
    pub(super) disrupted: BTreeMap<String, Timestamp>,
    /// A controller that never stops waiting for a pod whose eviction was accepted.
    pub(super) believes_for_ever: bool,
    /// Whether a look by its controller is due.
    pub(super) sync_due: bool,
    /// When its pods changed last, in the count of the change log.
    pub(super) pods_changed: u64,
}

/// Something that will happen by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    Running(PodKey),
    Ready(PodKey),
    Crash(PodKey),
    Finished(PodKey),
    Stopped(PodKey),
    Detached { workload: usize, ordinal: u32, node: NodeKey },
    Join(InstanceId),
    NodeReady(NodeKey),
    TaintGoes(NodeKey, String),
    NoNode,
    NodeUnknown(NodeKey, u32),
    TaintEviction(NodeKey, u32),
    NodeRecovers(NodeKey, u32),
    RemoveNode(NodeKey),
    SyncBudget(usize),
    MakeAgain(usize),
    Fault(usize),
}

/// Something that clients may see a change of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Node(NodeKey),
    Pod(PodKey),
    Budget(usize),
}

/// What changed when, in order; each thing is in it once, at its last change.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeLog {
    pub(super) last: u64,
    pub(super) order: BTreeMap<u64, Key>,
    place: BTreeMap<Key, u64>,
    /// Names of what is gone.
    pub(super) gone_nodes: BTreeMap<NodeKey, NodeName>,
    pub(super) gone_pods: BTreeMap<PodKey, (Uid, NodeName)>,
}

impl ChangeLog {
    pub(super) fn touch(&mut self, key: Key) {
        self.last += 1;
        if let Some(before) = self.place.insert(key, self.last) {
            self.order.remove(&before);
        }
        self.order.insert(self.last, key);
    }
}

impl Room {
    pub(super) fn take(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.pods += other.pods;
        for (name, amount) in &other.extended {
            *self.extended.entry(name.clone()).or_default() += amount;
        }
    }

    pub(super) fn give_back(&mut self, other: &Self) {
        self.cpu = self.cpu.saturating_sub(other.cpu);
        self.memory = self.memory.saturating_sub(other.memory);
        self.pods = self.pods.saturating_sub(other.pods);
        for (name, amount) in &other.extended {
            let left = self.extended.entry(name.clone()).or_default();
            *left = left.saturating_sub(*amount);
        }
    }
}

impl SimPod {
    /// Whether it must be evicted before its node goes: it runs, and neither a DaemonSet nor the node itself keeps it.
    pub(super) fn must_leave(&self) -> bool {
        !self.object.is_daemon() && !self.object.mirror && !self.object.is_finished()
    }

    pub(super) fn is_active(&self) -> bool {
        self.object.deletion.is_none() && !self.object.is_finished()
    }
}
