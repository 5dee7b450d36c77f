//! The scheduler: which nodes can take a pod, and which of them is best.

use std::collections::BTreeMap;

use super::{
    World,
    state::{NodeKey, PodKey, SimNode, SimPod, Workload},
};
use crate::{
    domain::{Readiness, Taint, TaintEffect, Toleration, Trouble, Unscheduled},
    sim::spec::{Topology, TroubleKind, WorkloadKind},
};

/// Why a node does not take a pod, in the scheduler's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unfit<'a> {
    Unschedulable,
    Taint,
    Affinity,
    Ports,
    AntiAffinity,
    Spread,
    Volume,
    Cpu,
    Memory,
    Pods,
    Extended(&'a str),
}

impl Unfit<'_> {
    fn words(self) -> String {
        match self {
            Self::Unschedulable => "node(s) were unschedulable",
            Self::Taint => "node(s) had untolerated taint(s)",
            Self::Affinity => "node(s) didn't match Pod's node affinity/selector",
            Self::Ports => "node(s) didn't have free ports for the requested pod ports",
            Self::AntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Self::Spread => "node(s) didn't match pod topology spread constraints",
            Self::Volume => "node(s) didn't match PersistentVolume's node affinity",
            Self::Cpu => "Insufficient cpu",
            Self::Memory => "Insufficient memory",
            Self::Pods => "Too many pods",
            Self::Extended(resource) => return format!("Insufficient {resource}"),
        }
        .to_owned()
    }
}

impl World {
    /// Tries every pod that has no node, the oldest first.
    pub(super) fn schedule(&mut self) {
        for key in self.pending.iter().copied().collect::<Vec<_>>() {
            let Some(pod) = self.pods.get(&key) else { continue };
            match pod.trouble {
                Some(TroubleKind::SchedulingGated | TroubleKind::NoScheduler) => continue,
                Some(TroubleKind::UnboundClaim) => {
                    let nodes = self.nodes.len();
                    let why = "pod has unbound immediate PersistentVolumeClaims";
                    self.note_unschedulable(key, format!("0/{nodes} nodes are available: {why}."));
                    continue;
                }
                None
                | Some(
                    TroubleKind::NeverReady
                    | TroubleKind::CrashLoop
                    | TroubleKind::ImagePull
                    | TroubleKind::ConfigMissing
                    | TroubleKind::InitFails
                    | TroubleKind::NoAddress
                    | TroubleKind::Sandbox
                    | TroubleKind::Gate
                    | TroubleKind::StuckTerminating,
                ) => {}
            }
            match self.best_node(pod) {
                Ok(node) => {
                    self.pending.remove(&key);
                    self.bind(key, node);
                }
                Err(why) => self.note_unschedulable(key, why),
            }
        }
    }

    fn note_unschedulable(&mut self, key: PodKey, why: String) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        let unscheduled = Some(Unscheduled { reason: "Unschedulable".to_owned(), message: Some(why) });
        let trouble = Some(Box::new(Trouble { unscheduled, ..Trouble::default() }));
        if pod.object.trouble != trouble {
            pod.object.trouble = trouble;
            self.pod_changed(key);
        }
    }

    fn best_node(&self, pod: &SimPod) -> Result<NodeKey, String> {
        let workload = &self.workloads[pod.workload];
        let mut unfit: BTreeMap<Unfit<'_>, u32> = BTreeMap::new();
        let mut fit: Vec<(NodeKey, &SimNode, u32)> = Vec::new();
        // A daemon pod is made for one node and no other.
        let candidates = match pod.pinned {
            Some(node) => self.nodes.range(node..=node),
            None => self.nodes.range(..),
        };
        for (key, node) in candidates {
            match fits(workload, pod, *key, node).and_then(|()| self.spreads(workload, *key, node)) {
                Ok(()) => fit.push((*key, node, soft_taints(workload, node))),
                Err(why) => *unfit.entry(why).or_default() += 1,
            }
        }
        let most_taints = fit.iter().map(|(_, _, taints)| *taints).max().unwrap_or(0);
        let most_here = fit.iter().filter_map(|(key, _, _)| workload.per_node.get(key).copied()).max().unwrap_or(0);
        let best = fit.into_iter().max_by_key(|(key, node, taints)| {
            let taints = 100 - share(*taints, most_taints);
            let spread = 100 - share(workload.per_node.get(key).copied().unwrap_or(0), most_here);
            // The weights are those of the default profile: TaintToleration 3, PodTopologySpread 2, Fit 1.
            (3 * taints + 2 * spread + free_share(node, workload), std::cmp::Reverse(*key))
        });
        best.map(|(key, _, _)| key).ok_or_else(|| {
            let mut reasons: Vec<_> = unfit.iter().map(|(why, count)| format!("{count} {}", why.words())).collect();
            reasons.sort();
            let nodes = self.nodes.len();
            format!("0/{nodes} nodes are available: {}.", reasons.join(", "))
        })
    }

    /// A required spread with a skew of one: the pod may go where there are fewest, cordoned places counted too
    /// (`nodeTaintsPolicy: Ignore`), and pods that are told to stop not (`podtopologyspread/common.go`).
    fn spreads(&self, workload: &Workload, key: NodeKey, node: &SimNode) -> Result<(), Unfit<'static>> {
        let pods = || workload.pods.iter().filter_map(|key| self.pods.get(key)).filter(|pod| pod.is_active());
        let wanted = self.nodes.iter().filter(|(_, node)| wants(workload, node));
        let (here, least) = match workload.spec.spread {
            None => return Ok(()),
            Some(Topology::Hostname) => {
                let count = |key: NodeKey| pods().filter(|pod| pod.node == Some(key)).count();
                (count(key), wanted.map(|(key, _)| count(*key)).min())
            }
            Some(Topology::Zone) => {
                let zone = |key: NodeKey| self.nodes.get(&key).and_then(|node| node.object.zone.as_ref());
                let count =
                    |node: &SimNode| pods().filter(|pod| pod.node.and_then(zone) == node.object.zone.as_ref()).count();
                (count(node), wanted.map(|(_, node)| count(node)).min())
            }
        };
        if here > least.unwrap_or(0) { Err(Unfit::Spread) } else { Ok(()) }
    }
}

/// Whether the node can take the pod, or the first reason why not.
fn fits<'a>(workload: &'a Workload, pod: &SimPod, key: NodeKey, node: &SimNode) -> Result<(), Unfit<'a>> {
    let tolerates = |taint: &Taint| workload.tolerations.iter().any(|toleration| toleration.tolerates(taint));
    if node.object.unschedulable && !tolerates(&condition("node.kubernetes.io/unschedulable")) {
        return Err(Unfit::Unschedulable);
    }
    let not_ready = match node.object.ready {
        Readiness::Ready => None,
        Readiness::NotReady(_) => Some("node.kubernetes.io/not-ready"),
        Readiness::Unknown => Some("node.kubernetes.io/unreachable"),
    };
    if not_ready.is_some_and(|key| !tolerates(&condition(key))) {
        return Err(Unfit::Taint);
    }
    let hard = node.object.taints.iter().filter(|taint| taint.effect != TaintEffect::PreferNoSchedule);
    if !hard.into_iter().all(tolerates) {
        return Err(Unfit::Taint);
    }
    if !wants(workload, node) {
        return Err(Unfit::Affinity);
    }
    if workload.spec.host_port && workload.per_node.contains_key(&key) {
        return Err(Unfit::Ports);
    }
    let (asks, used, capacity) = (&workload.request, &node.used, &node.capacity);
    if used.cpu + asks.cpu > capacity.cpu {
        return Err(Unfit::Cpu);
    }
    if used.memory + asks.memory > capacity.memory {
        return Err(Unfit::Memory);
    }
    if used.pods + asks.pods > capacity.pods {
        return Err(Unfit::Pods);
    }
    let short = asks.extended.iter().find(|(name, amount)| {
        used.extended.get(*name).copied().unwrap_or(0) + **amount > capacity.extended.get(*name).copied().unwrap_or(0)
    });
    if let Some((resource, _)) = short {
        return Err(Unfit::Extended(resource));
    }
    placed(workload, pod, key, node)
}

/// The rules of volumes and of other pods, which the scheduler looks at last.
fn placed<'a>(workload: &Workload, pod: &SimPod, key: NodeKey, node: &SimNode) -> Result<(), Unfit<'a>> {
    let volume_zone = workload.volumes.get(&pod.ordinal).and_then(|volume| volume.zone.as_ref());
    if volume_zone.is_some() && volume_zone != node.object.zone.as_ref() {
        return Err(Unfit::Volume);
    }
    let met = match (workload.spec.anti_affinity, &node.object.zone) {
        (Some(Topology::Hostname), _) => workload.per_node.get(&key).copied().unwrap_or(0),
        (Some(Topology::Zone), Some(zone)) => workload.per_zone.get(zone).copied().unwrap_or(0),
        (Some(Topology::Zone) | None, _) => 0,
    };
    if met > 0 { Err(Unfit::AntiAffinity) } else { Ok(()) }
}

/// Whether node selector and required node affinity let the workload onto the node.
pub(super) fn wants(workload: &Workload, node: &SimNode) -> bool {
    let labels = &node.object.labels;
    let selected = workload.spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    let wanted = &workload.spec.zones;
    let here = node.object.zone.as_ref().is_some_and(|zone| wanted.iter().any(|wanted| wanted == zone.as_str()));
    selected && (wanted.is_empty() || here)
}

/// Whether the DaemonSet controller puts a pod on this node; conditions of the node do not keep it away.
pub(super) fn wants_daemon(workload: &Workload, node: &SimNode) -> bool {
    let tolerated = |taint: &Taint| {
        taint.effect == TaintEffect::PreferNoSchedule
            || workload.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    };
    workload.spec.kind == WorkloadKind::DaemonSet && wants(workload, node) && node.object.taints.iter().all(tolerated)
}

/// A taint that the node controller sets from a condition.
fn condition(key: &str) -> Taint {
    Taint { key: key.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule }
}

fn soft_taints(workload: &Workload, node: &SimNode) -> u32 {
    let untolerated = |taint: &&Taint| {
        let tolerates = |toleration: &Toleration| toleration.tolerates(taint);
        taint.effect == TaintEffect::PreferNoSchedule && !workload.tolerations.iter().any(tolerates)
    };
    u32::try_from(node.object.taints.iter().filter(untolerated).count()).unwrap_or(u32::MAX)
}

/// `part` of `whole` in a hundred; nothing of nothing.
fn share(part: u32, whole: u32) -> u32 {
    (part * 100).checked_div(whole).unwrap_or(0)
}

/// How much would be free afterwards, in a hundred: the scheduler's LeastAllocated.
fn free_share(node: &SimNode, workload: &Workload) -> u32 {
    let free = |used: u32, asks: u32, capacity: u32| share(capacity.saturating_sub(used + asks), capacity);
    let cpu = free(node.used.cpu, workload.request.cpu, node.capacity.cpu);
    let memory = free(node.used.memory, workload.request.memory, node.capacity.memory);
    u32::midpoint(cpu, memory)
}
