//! A world from its description: everything runs as if it had for hours.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{Timestamp, civil::date, tz::TimeZone};

use super::{
    ChangeLog, Facts, World,
    nodes::{NewNode, taint},
    state::{Budget, Kubelet, Room, Timer, Workload},
};
use crate::{
    domain::{
        AsgName, InstanceId, IntOrPercent, NodeKind, Pdb, PdbRef, PdbRule, PdbStatus, Process, Readiness, Selector,
        Size, TaintEffect, Toleration, TolerationOperator, Zone,
    },
    sim::{
        Rng,
        asg::{
            AsgConfig, AutoScalingGroup, Delays, Existing, Hook, HookKind, HookResult, Override, Subnet, Template,
            TemplateUse, VersionUse,
        },
        spec::{BudgetSpec, OtherNodesSpec, WorkloadKind, WorkloadSpec, WorldSpec},
    },
};

impl World {
    /// A world at its beginning; the same seed has the same history.
    #[must_use]
    pub fn new(spec: WorldSpec, seed: u64) -> Self {
        let start =
            date(2026, 1, 5).at(9, 0, 0, 0).to_zoned(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |z| z.timestamp());
        Self::starting_at(spec, seed, start)
    }

    /// A world that begins at this moment.
    #[must_use]
    pub fn starting_at(spec: WorldSpec, seed: u64, start: Timestamp) -> Self {
        let mut rng = Rng::new(seed);
        let asg = AutoScalingGroup::new(asg_config(&spec, rng.next_u64(), start), start);
        let wire = Rng::new(rng.next_u64());
        let mut world = Self {
            start,
            now: start,
            wire,
            asg,
            nodes: BTreeMap::new(),
            node_names: BTreeMap::new(),
            used_names: BTreeSet::new(),
            node_of_instance: BTreeMap::new(),
            last_node: 0,
            pods: BTreeMap::new(),
            pod_uids: BTreeMap::new(),
            last_pod: 0,
            workloads: Vec::new(),
            budgets: Vec::new(),
            terminating_namespaces: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_timer: 0,
            to_reconcile: BTreeSet::new(),
            to_reconcile_daemons: BTreeSet::new(),
            pending: BTreeSet::new(),
            to_schedule: false,
            log: ChangeLog::default(),
            group_revision: 0,
            joins_fail_until: None,
            nodes_fail_until: None,
            nodes_say: None,
            launches_lost_until: None,
            lose_next_reply: false,
            available: 0,
            cordoned: 0,
            group_nodes: 0,
            zonal_volumes: BTreeSet::new(),
            intent: None,
            facts: Facts::default(),
            booting: true,
            rng,
            spec,
        };
        world.boot();
        world
    }

    fn boot(&mut self) {
        self.workloads = self.spec.workloads.iter().map(workload_of).collect();
        for (index, workload) in self.workloads.iter_mut().enumerate() {
            let hash: u32 = self.rng.between(0x1000, u32::MAX);
            workload.owner_name = match workload.spec.kind {
                WorkloadKind::Deployment => {
                    workload.labels.insert("pod-template-hash".to_owned(), format!("{hash:x}"));
                    format!("{}-{hash:x}", workload.spec.name)
                }
                WorkloadKind::StatefulSet | WorkloadKind::DaemonSet | WorkloadKind::Job | WorkloadKind::Pod => {
                    workload.spec.name.clone()
                }
            };
            self.to_reconcile.insert(index);
        }
        self.make_budgets();
        self.boot_nodes();
        for index in 0..self.workloads.len() {
            if self.workloads[index].spec.kind == WorkloadKind::Pod {
                for _ in 0..self.workloads[index].replicas {
                    self.make_numbered_pod(index);
                }
            }
        }
        self.settle();
        self.boot_update();
        self.settle();
        for index in 0..self.budgets.len() {
            self.sync_budget(index);
        }
        for index in 0..self.spec.faults.len() {
            let at = self.spec.faults[index].at;
            self.at(at, Timer::Fault(index));
        }
        self.booting = false;
        // What it took to get here is not part of the history.
        self.facts = Facts { min_available: self.available, max_nodes: self.group_nodes, ..Facts::default() };
    }

    fn boot_nodes(&mut self) {
        let instances: Vec<_> = self.asg.instances().values().cloned().collect();
        for instance in instances {
            let version = instance.template.as_ref().map(|template| template.version.clone());
            let key = self.add_group_node(instance.id, &instance.zone, &instance.instance_type, version.as_deref());
            if let Some(node) = self.nodes.get_mut(&key) {
                node.object.created_at = instance.launched_at;
            }
            self.set_readiness(key, Kubelet::Serves, Readiness::Ready);
        }
        for other in self.spec.other_nodes.clone() {
            for _ in 0..other.count {
                let new = self.other_node(&other);
                let key = self.add_node(new);
                self.set_readiness(key, Kubelet::Serves, Readiness::Ready);
            }
        }
    }

    fn other_node(&mut self, spec: &OtherNodesSpec) -> NewNode {
        let instance = match spec.kind {
            NodeKind::Instance | NodeKind::Karpenter | NodeKind::AutoMode => {
                Some(InstanceId::new(format!("i-0{}", self.rng.hex(16))))
            }
            NodeKind::Fargate | NodeKind::Hybrid | NodeKind::Other => None,
        };
        let mut labels = spec.labels.clone();
        let mark = match spec.kind {
            NodeKind::Karpenter => Some(("karpenter.sh/nodepool", "general")),
            NodeKind::AutoMode => Some(("eks.amazonaws.com/compute-type", "auto")),
            NodeKind::Fargate => Some(("eks.amazonaws.com/compute-type", "fargate")),
            NodeKind::Hybrid => Some(("eks.amazonaws.com/compute-type", "hybrid")),
            NodeKind::Instance | NodeKind::Other => None,
        };
        labels.extend(mark.map(|(key, value)| (key.to_owned(), value.to_owned())));
        NewNode {
            instance,
            kind: spec.kind,
            zone: Zone::new(&spec.zone),
            labels,
            taints: spec.taints.iter().map(taint).collect(),
            kubelet_version: self.spec.group.template.old_kubelet.clone(),
            capacity: Room { cpu: spec.cpu.0, memory: spec.memory.0, pods: 29, extended: BTreeMap::new() },
            in_group: false,
        }
    }

    fn make_budgets(&mut self) {
        let own = self.spec.workloads.iter().enumerate().flat_map(|(index, workload)| {
            workload.budgets.iter().map(move |budget| (budget.clone(), Some((index, workload))))
        });
        let beside = self.spec.budgets.iter().map(|budget| (budget.clone(), None));
        for (spec, of) in own.chain(beside) {
            let Some(pdb) = pdb_of(&spec, of.map(|(index, workload)| (workload, &self.workloads[index].labels))) else {
                continue;
            };
            let position = self.budgets.len();
            let mut counted = Vec::new();
            for (index, workload) in self.workloads.iter_mut().enumerate() {
                if workload.spec.namespace == pdb.id.namespace && pdb.selector.matches(&workload.labels) {
                    workload.budgets.push(position);
                    counted.push(index);
                }
            }
            self.budgets.push(Budget {
                object: pdb,
                deleted: false,
                workloads: counted,
                disrupted: BTreeMap::new(),
                believes_for_ever: false,
                sync_due: false,
                pods_changed: 0,
            });
        }
    }
}

fn workload_of(spec: &WorkloadSpec) -> Workload {
    let labels = spec.pod_labels();
    let mut tolerations: Vec<Toleration> = spec
        .tolerations
        .iter()
        .map(|spec| Toleration {
            key: spec.key.clone(),
            operator: match spec.value {
                Some(_) => TolerationOperator::Equal,
                None => TolerationOperator::Exists,
            },
            value: spec.value.clone().unwrap_or_default(),
            effect: spec.effect,
        })
        .collect();
    if spec.kind == WorkloadKind::DaemonSet {
        // What its controller adds to every daemon pod (`pkg/controller/daemon/util`).
        tolerations.extend(
            [
                ("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
                ("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
                ("node.kubernetes.io/not-ready", TaintEffect::NoSchedule),
                ("node.kubernetes.io/unreachable", TaintEffect::NoSchedule),
                ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
            ]
            .map(|(key, effect)| Toleration {
                key: Some(key.to_owned()),
                operator: TolerationOperator::Exists,
                value: String::new(),
                effect: Some(effect),
            }),
        );
    }
    Workload {
        owner_name: spec.name.clone(),
        replicas: spec.replicas,
        labels,
        tolerations,
        request: Room { cpu: spec.cpu.0, memory: spec.memory.0, pods: 1, extended: spec.extended.clone() },
        pods: BTreeSet::new(),
        per_node: BTreeMap::new(),
        per_zone: BTreeMap::new(),
        budgets: Vec::new(),
        volumes: BTreeMap::new(),
        attachments_stick: false,
        made: 0,
        refused: None,
        succeeded: 0,
        spec: spec.clone(),
    }
}

fn pdb_of(spec: &BudgetSpec, of: Option<(&WorkloadSpec, &BTreeMap<String, String>)>) -> Option<Pdb> {
    let rule = match (spec.min_available, spec.max_unavailable) {
        (Some(stay), _) => PdbRule::MinAvailable(stay),
        (None, Some(out)) => PdbRule::MaxUnavailable(out),
        (None, None) => PdbRule::MaxUnavailable(IntOrPercent::Int(1)),
    };
    let namespace = spec.namespace.clone().or_else(|| of.map(|(workload, _)| workload.namespace.clone()))?;
    let name = spec.name.clone().or_else(|| of.map(|(workload, _)| workload.name.clone()))?;
    let selector = match (&spec.selector, of) {
        (Some(labels), _) => labels.clone(),
        // Its own pods by their own label, not by those that they share with others.
        (None, Some((_, labels))) => {
            labels.iter().filter(|(key, _)| *key == "app").map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        (None, None) => return None,
    };
    Some(Pdb {
        id: PdbRef { namespace, name },
        revision: "1".to_owned(),
        generation: 1,
        spec_changed_at: None,
        selector: Selector::labels(selector),
        rule,
        unhealthy: spec.unhealthy,
        status: PdbStatus::default(),
    })
}

fn asg_config(spec: &WorldSpec, seed: u64, start: Timestamp) -> AsgConfig {
    let group = &spec.group;
    let template = &group.template;
    let nodes = spec.nodes();
    let name =
        group.asg.clone().or_else(|| group.nodegroup.as_ref().map(|nodegroup| format!("eks-{}", nodegroup.name)));
    let first_type = group.instance_types.first().map(|known| known.name.clone()).unwrap_or_default();
    // Nodes of one zone are some hours apart in age, so that "the oldest" means something.
    let mut age = 0;
    let mut existing = Vec::new();
    for zone in &spec.zones {
        for (count, version) in [(zone.old, template.old), (zone.new, template.new)] {
            for _ in 0..count {
                age += 1;
                let back = Duration::from_secs(3600 * (24 * 30 - age).max(1));
                existing.push(Existing {
                    zone: Zone::new(&zone.name),
                    instance_type: first_type.clone(),
                    template: Some((template.id.clone(), version)),
                    launched_at: start.checked_sub(back).unwrap_or(start),
                    protected: group.protected,
                });
            }
        }
    }
    let hook = |name: &str, kind, wait: Option<Duration>| {
        wait.map(|wait| Hook {
            name: name.to_owned(),
            kind,
            heartbeat: Duration::from_mins(30),
            default_result: HookResult::Continue,
            completes_after: Some(wait),
        })
    };
    let hooks = [
        hook("Launch-LC-Hook", HookKind::Launching, group.hooks.launch),
        hook("Terminate-LC-Hook", HookKind::Terminating, group.hooks.terminate),
    ];
    let delays = &spec.delays;
    AsgConfig {
        name: AsgName::new(name.unwrap_or_else(|| "workers".to_owned())),
        size: Size { min: group.min, desired: nodes, max: group.max.unwrap_or(nodes + 2) },
        subnets: spec
            .zones
            .iter()
            .enumerate()
            .map(|(index, zone)| Subnet {
                id: format!("subnet-0a1b2c3d4e5f{index:05}"),
                zone: Zone::new(&zone.name),
                free: zone.free_addresses,
                contended: zone.contended,
            })
            .collect(),
        templates: BTreeMap::from([(
            template.id.clone(),
            Template {
                name: format!("{}-template", spec.cluster),
                default: template.new,
                latest: template.new.max(template.old),
            },
        )]),
        launch_from: TemplateUse {
            id: template.id.clone(),
            version: match template.version.as_deref() {
                Some("$Default") => VersionUse::Default,
                Some("$Latest") => VersionUse::Latest,
                Some(number) => VersionUse::Number(number.parse().unwrap_or(template.new)),
                None => VersionUse::Number(template.new),
            },
        },
        overrides: group
            .instance_types
            .iter()
            .map(|known| Override { instance_type: known.name.clone(), template: None })
            .collect(),
        mixed: group.instance_types.len() > 1,
        existing,
        delays: Delays {
            react: delays.react,
            launch: delays.launch,
            terminate: delays.terminate,
            rebalance: delays.rebalance,
            retry: delays.retry,
        },
        hooks: hooks.into_iter().flatten().collect(),
        failures: Vec::new(),
        stale: None,
        protects_new: group.protected,
        suspended: group.suspended.iter().map(|name| Process::parse(name)).collect(),
        operator: group.operator.clone(),
        instance_refresh: group.instance_refresh.clone(),
        tags: BTreeMap::from([(format!("kubernetes.io/cluster/{}", spec.cluster), "owned".to_owned())]),
        seed,
    }
}
