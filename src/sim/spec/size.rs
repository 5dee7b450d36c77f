//! How large a world may be: a slip of a digit would otherwise fill the machine's memory before anything is seen.

use super::{
    FaultKind, WorkloadKind, WorldSpec,
    check::{Wrong, wrong},
};

/// More nodes than any managed node group has by its quotas (450), and enough for a cluster around it.
const NODES: u64 = 1_000;

/// What so many nodes hold by the default of 29 pods a node, rounded up.
const PODS: u64 = 30_000;

/// The largest group: all nodes there may be, twice, for a surge of 100%.
const GROUP: u64 = 2 * NODES;

/// A node's processor in thousandths of a core; the largest machine of EC2 has 1,920 cores.
const NODE_CPU: u32 = 2_000_000;

/// A node's memory in mebibytes; the largest machine of EC2 has 32 TiB.
const NODE_MEMORY: u32 = 32 * 1024 * 1024;

pub(super) fn check(spec: &WorldSpec) -> Result<(), Wrong> {
    let nodes = check_nodes(spec)?;
    check_machines(spec)?;
    if let Some(max) = spec.group.max {
        at_most(u64::from(max), GROUP, "nodes", || "group.max".to_owned())?;
    }
    let mut pods = 0;
    for (index, workload) in spec.workloads.iter().enumerate() {
        pods += match workload.kind {
            WorkloadKind::DaemonSet => nodes,
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::Job | WorkloadKind::Pod => {
                u64::from(workload.replicas)
            }
        };
        at_most(pods, PODS, "pods", || format!("workloads[{index}].replicas"))?;
    }
    for (index, fault) in spec.faults.iter().enumerate() {
        if let FaultKind::Scale { replicas, .. } = &fault.what {
            at_most(u64::from(*replicas), PODS, "pods", || format!("faults[{index}].what.scale.replicas"))?;
        }
    }
    Ok(())
}

/// How many there are: the group's, and the others.
fn check_nodes(spec: &WorldSpec) -> Result<u64, Wrong> {
    let mut nodes = 0;
    for (index, zone) in spec.zones.iter().enumerate() {
        for (field, count) in [("old", zone.old), ("new", zone.new)] {
            nodes += u64::from(count);
            at_most(nodes, NODES, "nodes", || format!("zones[{index}].{field}"))?;
        }
    }
    for (index, other) in spec.other_nodes.iter().enumerate() {
        nodes += u64::from(other.count);
        at_most(nodes, NODES, "nodes", || format!("other-nodes[{index}].count"))?;
    }
    Ok(nodes)
}

fn check_machines(spec: &WorldSpec) -> Result<(), Wrong> {
    let types = spec.group.instance_types.iter().enumerate();
    let types = types.map(|(index, known)| (format!("group.instance-types[{index}]"), known.cpu, known.memory));
    let others = spec.other_nodes.iter().enumerate();
    let others = others.map(|(index, other)| (format!("other-nodes[{index}]"), other.cpu, other.memory));
    for (field, cpu, memory) in types.chain(others) {
        if cpu.0 > NODE_CPU {
            return wrong(format!("{field}.cpu"), format!("no machine has more than {} cores", NODE_CPU / 1000));
        }
        if memory.0 > NODE_MEMORY {
            return wrong(format!("{field}.memory"), format!("no machine has more than {}Gi", NODE_MEMORY / 1024));
        }
    }
    Ok(())
}

fn at_most(count: u64, limit: u64, what: &str, field: impl FnOnce() -> String) -> Result<(), Wrong> {
    if count <= limit {
        return Ok(());
    }
    wrong(field(), format!("that makes {count} {what}, and a world holds at most {limit}"))
}
