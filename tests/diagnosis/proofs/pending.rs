//! Pods that no node takes, and volumes that are not where they are needed.

use std::{collections::BTreeMap, time::Duration};

use mngup::{
    domain::{Grade, TaintEffect},
    sim::{
        WorldSpec,
        spec::{Cpu, Fault, FaultKind, InstanceTypeSpec, Memory, Topology, TroubleKind, WorkloadKind, WorkloadSpec},
    },
};

use super::{Proof, cart, faulty, first, out, world};

/// Two of these fill a node.
const HALF_A_NODE: Cpu = Cpu(900);

pub(super) fn no_capacity() -> Proof {
    let full = |replicas| world(WorkloadSpec { replicas, cpu: HALF_A_NODE, ..cart(out(1)) });
    Proof::new(full(8), "pod/default/cart-", full(6)).alone()
}

/// One type runs out, and the other of the group is too small for it.
pub(super) fn too_large() -> Proof {
    let two_types = |runs_out: bool| {
        let of = |name: &str, cpu| InstanceTypeSpec {
            name: name.to_owned(),
            cpu: Cpu(cpu),
            memory: Memory(15_000),
            pods: 29,
            extended: BTreeMap::new(),
        };
        let mut spec = WorldSpec::with_old_nodes(&[("a", 1), ("b", 1)]);
        spec.group.instance_types = vec![of("m6i.2xlarge", 7910), of("m6i.large", 1930)];
        spec.workloads = vec![WorkloadSpec { replicas: 2, cpu: Cpu(3500), ..cart(out(1)) }];
        let gone = FaultKind::TypeRunsOut { instance_type: "m6i.2xlarge".to_owned() };
        spec.faults = runs_out.then_some(Fault { at: Duration::from_secs(1), what: gone }).into_iter().collect();
        spec
    };
    Proof::new(two_types(true), "pod/default/cart-", two_types(false)).alone()
}

/// A label that was put onto the nodes by hand.
pub(super) fn affinity() -> Proof {
    let labelled = |by_hand: bool| {
        let label: BTreeMap<_, _> = [("pool".to_owned(), "shop".to_owned())].into();
        let mut spec = world(WorkloadSpec { node_selector: label.clone(), ..cart(out(1)) });
        if by_hand {
            spec.group.old_labels = label;
        } else {
            spec.group.labels = label;
        }
        spec
    };
    Proof::new(labelled(true), "pod/default/cart-", labelled(false)).alone()
}

pub(super) fn anti_affinity() -> Proof {
    let apart = |replicas| world(WorkloadSpec { replicas, anti_affinity: Some(Topology::Hostname), ..cart(out(1)) });
    Proof::new(apart(5), "pod/default/cart-", apart(4)).alone()
}

pub(super) fn taints() -> Proof {
    let tainted = |effect| {
        let taint = FaultKind::Taint { key: "batch".to_owned(), value: "yes".to_owned(), effect };
        faulty(WorkloadSpec { replicas: 12, ..cart(out(1)) }, vec![(1, taint)])
    };
    Proof::new(tainted(TaintEffect::NoSchedule), "pod/default/cart-", tainted(TaintEffect::PreferNoSchedule)).alone()
}

pub(super) fn gated() -> Proof {
    one_in(TroubleKind::SchedulingGated, "pod/default/cart-")
}

pub(super) fn no_scheduler() -> Proof {
    one_in(TroubleKind::NoScheduler, "pod/default/cart-")
}

pub(super) fn claim_pending() -> Proof {
    one_in(TroubleKind::UnboundClaim, "persistentvolumeclaim/default/data-cart-")
}

/// One pod is in this trouble; beside it, one for which the budget has room.
fn one_in(kind: TroubleKind, object: &str) -> Proof {
    let one = |room| world(WorkloadSpec { trouble: Some(first(kind)), ..cart(out(room)) });
    Proof::new(one(1), object, one(2))
}

/// What the scheduler says has no name here: ports of the host.
pub(super) fn unclear() -> Proof {
    let ports = |replicas| world(WorkloadSpec { replicas, host_port: true, ..cart(out(1)) });
    Proof::new(ports(5), "pod/default/cart-", ports(4)).alone()
}

/// The last node of a zone is replaced by one in another; beside it, the zones have two each.
pub(super) fn zone() -> Proof {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 1), ("b", 2)]);
    spec.workloads = vec![db(6)];
    let full = FaultKind::LaunchesFail { lasts: None, zone: Some("a".to_owned()), reason: None };
    spec.faults = vec![Fault { at: Duration::from_secs(1), what: full }];
    Proof::new(spec, "persistentvolumeclaim/default/data-db-", world(db(6))).alone()
}

pub(super) fn attached() -> Proof {
    let sticks = FaultKind::AttachmentsStick { workload: "default/db".to_owned() };
    Proof::new(faulty(db(8), vec![(1, sticks)]), "persistentvolumeclaim/default/data-db-", world(db(8))).alone()
}

pub(super) fn detaching() -> Proof {
    let detaches_in = |seconds| {
        let mut spec = world(db(4));
        spec.delays.detach = Duration::from_secs(seconds);
        spec
    };
    let proof = Proof::new(detaches_in(60), "node/", detaches_in(4));
    Proof { grade: Grade::Waits, ..proof }
}

/// Pods with a volume each that cannot leave its zone.
fn db(replicas: u32) -> WorkloadSpec {
    let db = WorkloadSpec::new(WorkloadKind::StatefulSet, "db");
    WorkloadSpec { replicas, zonal_volume: true, budgets: vec![out(1)], ..db }
}
