//! What a client sees: lists first, then what changed, at the cost of what changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    World,
    state::{Key, Workload},
};
use crate::{
    domain::{
        Change, ClusterName, DaemonSet, DaemonSetRef, Gap, Group, NodeName, Nodegroup, NodegroupName, NodegroupStatus,
        PdbRef, Pod, Requirement, Selector, SelectorOperator, UpdateStrategy, Zone, later,
    },
    ports::Watch,
    sim::spec::{StrategySpec, WorkloadKind},
};

/// One client's view: a client that starts again begins with a new one.
#[derive(Clone, Debug)]
pub struct Observer {
    began: bool,
    cursor: u64,
    watched: BTreeSet<NodeName>,
    blocking: BTreeMap<PdbRef, u64>,
    zones: Option<BTreeSet<Zone>>,
    group_seen: Option<(u64, u64, bool)>,
    group_read_at: Timestamp,
    read_every: Duration,
    reads_group: bool,
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer {
    /// A client that has seen nothing, and reads a group that does not change once in five seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::reading_every(Duration::from_secs(5))
    }

    /// A client that reads a group that does not change so often; one that changed is seen at the next look.
    #[must_use]
    pub fn reading_every(read_every: Duration) -> Self {
        Self {
            began: false,
            cursor: 0,
            watched: BTreeSet::new(),
            blocking: BTreeMap::new(),
            zones: None,
            group_seen: None,
            group_read_at: Timestamp::MIN,
            read_every,
            reads_group: true,
        }
    }

    /// When it reads the group again though nothing changed.
    #[must_use]
    pub fn next_read(&self) -> Timestamp {
        later(self.group_read_at, self.read_every)
    }

    /// Leaves the group out, for a client that reads it by other means.
    #[must_use]
    pub fn without_group(mut self) -> Self {
        self.reads_group = false;
        self
    }
}

impl World {
    /// What changed since this client looked last, lists first.
    pub fn observe(&mut self, observer: &mut Observer, watch: &Watch) -> Vec<Change> {
        self.settle();
        let mut changes = Vec::new();
        if observer.reads_group {
            self.observe_group(observer, watch, &mut changes);
        }
        let since = observer.cursor;
        observer.cursor = self.log.last;
        if observer.began {
            self.observe_changes(observer, since, &mut changes);
        } else {
            observer.began = true;
            self.list(&mut changes);
        }
        if observer.zones.as_ref() != Some(&self.zonal_volumes) {
            changes.push(Change::ZonalVolumes(self.zonal_volumes.clone()));
            observer.zones = Some(self.zonal_volumes.clone());
        }
        self.observe_watched(observer, watch, &mut changes);
        self.observe_blocking(observer, watch, &mut changes);
        changes
    }

    /// Whether a look would bring anything now.
    #[must_use]
    pub fn has_news(&self, observer: &Observer, watch: &Watch) -> bool {
        let group = observer.reads_group
            && (observer.group_seen != Some(self.group_state(watch)) || observer.next_read() <= self.now);
        let known: BTreeSet<&PdbRef> = observer.blocking.keys().collect();
        let relevant = |key: &Key| match key {
            Key::Node(key) => {
                self.log.gone_nodes.contains_key(key) || self.nodes.get(key).is_some_and(|node| node.in_group)
            }
            Key::Pod(key) => {
                let gone = self.log.gone_pods.get(key).map(|(_, node)| node);
                let there = self.pods.get(key).and_then(|pod| pod.object.node.as_ref());
                there.or(gone).is_some_and(|node| observer.watched.contains(node))
            }
            Key::Budget(_) => true,
        };
        let blocking = self.budgets.iter().any(|budget| {
            !budget.deleted && observer.blocking.get(&budget.object.id).is_some_and(|seen| *seen < budget.pods_changed)
        });
        !observer.began
            || group
            || blocking
            || observer.watched != watch.pods_on
            || known != watch.pods_of.iter().collect()
            || self.log.order.range(observer.cursor + 1..).any(|(_, key)| relevant(key))
    }

    /// The group as it is read now.
    #[must_use]
    pub fn describe_group(&self, activities: bool) -> Group {
        let mut group = self.asg.describe(self.now, activities);
        for (id, instance) in &mut group.instances {
            instance.no_node = self.has_no_node(id);
        }
        self.describe_oddities(&mut group);
        group.nodegroup = self.spec.group.nodegroup.as_ref().map(|spec| {
            let kubelet = self.spec.group.template.new_kubelet.trim_start_matches('v');
            let minor = kubelet.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
            Nodegroup {
                name: NodegroupName::new(&spec.name),
                cluster: ClusterName::new(&self.spec.cluster),
                status: match spec.status.as_str() {
                    "ACTIVE" => NodegroupStatus::Active,
                    "UPDATING" => NodegroupStatus::Updating,
                    "DEGRADED" => NodegroupStatus::Degraded,
                    other => NodegroupStatus::Other(other.to_owned()),
                },
                issues: self.eks_issues(),
                max_unavailable: spec.max_unavailable,
                strategy: match spec.strategy {
                    StrategySpec::Default => UpdateStrategy::Default,
                    StrategySpec::Minimal => UpdateStrategy::Minimal,
                },
                version: spec.version.clone().or(Some(minor)),
                release: Some(format!("{}-20251120", kubelet.split('-').next().unwrap_or(kubelet))),
                ami_type: Some("AL2023_x86_64_STANDARD".to_owned()),
                capacity_type: Some(spec.capacity_type.clone()),
                role: Some(super::answer::NODE_ROLE.to_owned()),
            }
        });
        group
    }

    fn group_state(&self, watch: &Watch) -> (u64, u64, bool) {
        (self.group_revision, self.asg.revision(), watch.activities)
    }

    fn observe_group(&self, observer: &mut Observer, watch: &Watch, changes: &mut Vec<Change>) {
        let state = self.group_state(watch);
        if observer.group_seen != Some(state) || observer.next_read() <= self.now {
            observer.group_seen = Some(state);
            observer.group_read_at = self.now;
            changes.push(Change::Group(Box::new(self.describe_group(watch.activities))));
        }
    }

    fn list(&self, changes: &mut Vec<Change>) {
        changes.extend(self.group_nodes().map(|node| Change::Node(Box::new(node.clone()))));
        changes.push(Change::Listed(Gap::Nodes));
        changes.extend(self.budgets().map(|pdb| Change::Pdb(Box::new(pdb.clone()))));
        changes.push(Change::Listed(Gap::Pdbs));
        let sets = self.workloads.iter().filter(|workload| workload.spec.kind == WorkloadKind::DaemonSet);
        changes.extend(sets.map(|workload| Change::DaemonSet(Box::new(daemon_set(workload)))));
        changes.push(Change::Listed(Gap::DaemonSets));
    }

    fn observe_changes(&self, observer: &Observer, since: u64, changes: &mut Vec<Change>) {
        for (_, key) in self.log.order.range(since + 1..) {
            match key {
                Key::Node(key) => match self.nodes.get(key) {
                    Some(node) if node.in_group => changes.push(Change::Node(Box::new(node.object.clone()))),
                    Some(_) => {}
                    None => changes.extend(self.log.gone_nodes.get(key).cloned().map(Change::NodeGone)),
                },
                Key::Pod(key) => {
                    if let Some(pod) = self.pods.get(key) {
                        if pod.object.node.as_ref().is_some_and(|node| observer.watched.contains(node)) {
                            changes.push(Change::Pod(Box::new(pod.object.clone())));
                        }
                    } else if let Some((uid, node)) = self.log.gone_pods.get(key)
                        && observer.watched.contains(node)
                    {
                        changes.push(Change::PodGone(uid.clone()));
                    }
                }
                Key::Budget(index) => {
                    let budget = &self.budgets[*index];
                    changes.push(if budget.deleted {
                        Change::PdbGone(budget.object.id.clone())
                    } else {
                        Change::Pdb(Box::new(budget.object.clone()))
                    });
                }
            }
        }
    }

    /// Nodes whose pods matter from now on are listed; those that do not are forgotten.
    fn observe_watched(&self, observer: &mut Observer, watch: &Watch, changes: &mut Vec<Change>) {
        changes.extend(observer.watched.difference(&watch.pods_on).cloned().map(Change::PodsUnwatched));
        for name in watch.pods_on.difference(&observer.watched) {
            let node = self.node_names.get(name).and_then(|key| self.nodes.get(key));
            let pods = node.into_iter().flat_map(|node| &node.pods).filter_map(|key| self.pods.get(key));
            changes.extend(pods.map(|pod| Change::Pod(Box::new(pod.object.clone()))));
            changes.push(Change::PodsListed(name.clone()));
        }
        observer.watched.clone_from(&watch.pods_on);
    }

    fn observe_blocking(&self, observer: &mut Observer, watch: &Watch, changes: &mut Vec<Change>) {
        observer.blocking.retain(|id, _| watch.pods_of.contains(id));
        for id in &watch.pods_of {
            let Some(index) = self.budgets.iter().position(|budget| !budget.deleted && budget.object.id == *id) else {
                continue;
            };
            let newest = self.budgets[index].pods_changed;
            if observer.blocking.get(id).is_none_or(|seen| *seen < newest) {
                observer.blocking.insert(id.clone(), newest);
                let pods: Vec<Pod> = self.pods_of_budget(index).map(|pod| pod.object.clone()).collect();
                changes.push(Change::PdbPods(id.clone(), pods));
            }
        }
    }
}

fn daemon_set(workload: &Workload) -> DaemonSet {
    let spec = &workload.spec;
    let mut selector = Selector::labels(spec.node_selector.iter().map(|(key, value)| (key.clone(), value.clone())));
    if !spec.zones.is_empty() {
        selector.requirements.push(Requirement {
            key: "topology.kubernetes.io/zone".to_owned(),
            operator: SelectorOperator::In,
            values: spec.zones.clone(),
        });
    }
    DaemonSet {
        id: DaemonSetRef { namespace: spec.namespace.clone(), name: spec.name.clone() },
        node_selectors: if selector.requirements.is_empty() { Vec::new() } else { vec![selector] },
        tolerations: workload.tolerations.clone(),
    }
}
