//! Nodes: how instances become them, how they stop being ready, how they go.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Actor, Facts, Killed, Loss, World,
    faults::not_ready,
    state::{Key, Kubelet, NodeKey, Room, SimNode, SimPod, Timer},
};
use crate::{
    domain::{InstanceId, Lifecycle, Marks, Node, NodeKind, NodeName, Readiness, Taint, TaintEffect, Zone},
    sim::{
        asg::{AsgEvent, AsgEventKind, InstanceState},
        spec::{AccessSpec, InstanceTypeSpec, StartupTaintSpec, TaintSpec},
    },
};

impl World {
    pub(super) fn on_asg_event(&mut self, event: &AsgEvent) {
        match &event.kind {
            AsgEventKind::Launched { .. } => {
                self.facts.launched.insert(event.instance.clone());
            }
            AsgEventKind::Running => {
                if self.launches_lost_until.is_some_and(|until| until > self.now) {
                    // What is on its way out already is what was wanted.
                    let _ = self.asg.interrupt(&event.instance, self.now);
                    return;
                }
                let join = self.spec.delays.join;
                let let_in = self.spec.group.access != AccessSpec::None;
                if let_in && self.joins_fail_until.is_none_or(|until| until <= self.now) {
                    self.at(join, Timer::Join(event.instance.clone()));
                } else {
                    self.at(join + Duration::from_secs(1), Timer::NoNode);
                }
            }
            AsgEventKind::InService | AsgEventKind::Terminating => self.refresh_instance(&event.instance),
            AsgEventKind::ShuttingDown => self.machine_goes_down(&event.instance),
            AsgEventKind::Gone => {
                if let Some(node) = self.node_of_instance.get(&event.instance).copied() {
                    self.at(self.spec.delays.node_removal, Timer::RemoveNode(node));
                }
            }
        }
    }

    /// A kubelet registers its Node.
    pub(super) fn node_joins(&mut self, id: &InstanceId) {
        let Some(instance) = self.asg.instance(id).filter(|instance| !instance.state.is_leaving()) else { return };
        let (zone, instance_type) = (instance.zone.clone(), instance.instance_type.clone());
        let version = instance.template.as_ref().map(|template| template.version.clone());
        let key = self.add_group_node(id.clone(), &zone, &instance_type, version.as_deref());
        if self.nodes_fail_until.is_none_or(|until| until <= self.now) {
            self.at(self.spec.delays.node_ready, Timer::NodeReady(key));
        } else if let Some(says) = self.nodes_say.clone() {
            self.set_readiness(key, Kubelet::Serves, not_ready(Some(&says)));
        }
    }

    /// What a node has and lacks that comes while the world goes on.
    fn newcomer(&self) -> (Vec<Taint>, &[String]) {
        if self.booting {
            return (Vec::new(), &[]);
        }
        let begins = |spec: &StartupTaintSpec| Taint {
            key: spec.key.clone(),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
        };
        (self.spec.group.startup_taints.iter().map(begins).collect(), &self.spec.group.lacks)
    }

    /// An agent takes its taint off.
    pub(super) fn taint_goes(&mut self, key: NodeKey, taint: &str) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        node.object.taints.retain(|known| known.key != taint);
        self.to_schedule = true;
        self.node_changed(key);
    }

    /// A node of the group, not ready yet.
    pub(super) fn add_group_node(
        &mut self,
        id: InstanceId,
        zone: &Zone,
        instance_type: &str,
        version: Option<&str>,
    ) -> NodeKey {
        let group = &self.spec.group;
        let template = &group.template;
        let new = version == Some(template.new.to_string().as_str());
        let kubelet_version = if new { &template.new_kubelet } else { &template.old_kubelet };
        let image = format!("ami-0{}", version.unwrap_or("0").repeat(8).get(..8).unwrap_or("00000000"));
        let mut labels = group.labels.clone();
        labels.insert("node.kubernetes.io/instance-type".to_owned(), instance_type.to_owned());
        if self.booting {
            labels.extend(group.old_labels.clone());
        }
        if let Some(nodegroup) = &group.nodegroup {
            labels.insert("eks.amazonaws.com/nodegroup".to_owned(), nodegroup.name.clone());
            labels.insert("eks.amazonaws.com/nodegroup-image".to_owned(), image);
            labels.insert("eks.amazonaws.com/capacityType".to_owned(), nodegroup.capacity_type.clone());
        }
        let room = group.instance_types.iter().find(|known| known.name == instance_type).map(Room::of);
        let (startup, lacks) = self.newcomer();
        let mut capacity = room.unwrap_or_default();
        capacity.extended.retain(|name, _| !lacks.contains(name));
        let node = NewNode {
            instance: Some(id),
            kind: NodeKind::Instance,
            zone: zone.clone(),
            labels,
            taints: group.taints.iter().map(taint).chain(startup).collect(),
            kubelet_version: kubelet_version.clone(),
            capacity,
            in_group: true,
        };
        self.add_node(node)
    }

    pub(super) fn add_node(&mut self, new: NewNode) -> NodeKey {
        self.last_node += 1;
        let key = self.last_node;
        let name = self.node_name(&new);
        let mut labels = new.labels;
        labels.insert("kubernetes.io/hostname".to_owned(), name.to_string());
        labels.insert("kubernetes.io/os".to_owned(), "linux".to_owned());
        labels.insert("topology.kubernetes.io/zone".to_owned(), new.zone.to_string());
        let object = Node {
            name: name.clone(),
            instance: new.instance.clone(),
            kind: new.kind,
            zone: Some(new.zone),
            created_at: self.now,
            deleting_since: None,
            finalizers: Vec::new(),
            ready: Readiness::NotReady("KubeletNotReady".to_owned()),
            ready_since: Some(self.now),
            unschedulable: false,
            cordoned_at: None,
            taints: new.taints,
            labels,
            marks: Marks::default(),
            shielded: false,
            kubelet_version: new.kubelet_version,
            extended: new.capacity.extended.clone(),
            volumes: Vec::new(),
        };
        let node = SimNode {
            object,
            in_group: new.in_group,
            capacity: new.capacity,
            used: Room::default(),
            pods: std::collections::BTreeSet::new(),
            kubelet: Kubelet::Serves,
            ready_epoch: 0,
            available: false,
        };
        self.nodes.insert(key, node);
        self.node_names.insert(name, key);
        if let Some(instance) = new.instance {
            self.node_of_instance.insert(instance, key);
        }
        if new.in_group {
            self.group_nodes += 1;
            self.group_revision += 1;
            self.facts.max_nodes = self.facts.max_nodes.max(self.group_nodes);
        }
        self.to_reconcile_daemons.insert(key);
        self.to_schedule = true;
        self.node_changed(key);
        key
    }

    fn node_name(&mut self, new: &NewNode) -> NodeName {
        let third = self.spec.zones.iter().position(|zone| zone.name == new.zone.as_str()).map_or(0, |index| index + 1);
        let prefix = if new.kind == NodeKind::Fargate { "fargate-ip" } else { "ip" };
        // A name is never used twice, though EC2 gives addresses again: whoever looks for a node by name finds that one.
        for _ in 0..1000 {
            let name = NodeName::new(format!("{prefix}-10-0-{third}-{}", self.rng.between(4, 254)));
            if self.used_names.insert(name.clone()) {
                return name;
            }
        }
        NodeName::new(format!("{prefix}-10-{}-{third}-4", self.last_node))
    }

    pub(super) fn node_becomes_ready(&mut self, key: NodeKey) {
        self.set_readiness(key, Kubelet::Serves, Readiness::Ready);
        for StartupTaintSpec { key: taint, leaves } in self.spec.group.startup_taints.clone() {
            if let Some(leaves) = leaves {
                self.at(leaves, Timer::TaintGoes(key, taint));
            }
        }
    }

    pub(super) fn node_recovers(&mut self, key: NodeKey, epoch: u32) {
        if self.nodes.get(&key).is_some_and(|node| node.ready_epoch == epoch && node.kubelet == Kubelet::NotReady) {
            self.set_readiness(key, Kubelet::Serves, Readiness::Ready);
        }
    }

    /// The kubelet has been silent for too long.
    pub(super) fn node_unknown(&mut self, key: NodeKey, epoch: u32) {
        if let Some(kubelet) = self.nodes.get(&key).filter(|node| node.ready_epoch == epoch).map(|node| node.kubelet) {
            self.set_readiness(key, kubelet, Readiness::Unknown);
        }
    }

    /// Sets condition Ready; the node controller lets the pods there follow, and evicts them after a while.
    pub(super) fn set_readiness(&mut self, key: NodeKey, kubelet: Kubelet, readiness: Readiness) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        if node.kubelet == Kubelet::Gone && kubelet != Kubelet::Gone {
            return;
        }
        let ready = readiness == Readiness::Ready;
        node.kubelet = kubelet;
        if std::mem::discriminant(&node.object.ready) != std::mem::discriminant(&readiness) {
            node.object.ready_since = Some(self.now);
        }
        node.object.ready = readiness;
        node.ready_epoch += 1;
        let (epoch, pods) = (node.ready_epoch, node.pods.iter().copied().collect::<Vec<_>>());
        if !ready {
            for pod in &pods {
                self.note_loss(*pod, Loss::NodeLost);
            }
            self.at(self.spec.delays.taint_eviction, Timer::TaintEviction(key, epoch));
        }
        for pod in pods {
            self.show_readiness(pod);
        }
        self.to_schedule = true;
        self.node_changed(key);
    }

    /// `NoExecute` for a node that is not ready: whoever does not tolerate it is deleted, budgets or not.
    pub(super) fn taint_eviction(&mut self, key: NodeKey, epoch: u32) {
        let Some(node) = self.nodes.get(&key).filter(|node| node.ready_epoch == epoch) else { return };
        let condition = match node.object.ready {
            Readiness::Ready => return,
            Readiness::NotReady(_) => "node.kubernetes.io/not-ready",
            Readiness::Unknown => "node.kubernetes.io/unreachable",
        };
        let taint = Taint { key: condition.to_owned(), value: String::new(), effect: TaintEffect::NoExecute };
        let leaves = |pod: &SimPod| !pod.object.tolerations.iter().any(|toleration| toleration.tolerates(&taint));
        let pods: Vec<_> = node.pods.iter().copied().filter(|pod| self.pods.get(pod).is_some_and(leaves)).collect();
        for pod in pods {
            self.begin_deletion(pod, None);
        }
    }

    /// The machine shuts down, and with it dies what runs there.
    fn machine_goes_down(&mut self, id: &InstanceId) {
        let Some(key) = self.node_of_instance.get(id).copied() else { return };
        // Once the client has asked too, what happens is the client's doing.
        let asks = self.facts.terminations.iter().filter(|asked| asked.instance == *id && asked.accepted);
        let asked = asks.map(|asked| asked.by).min_by_key(|by| *by != Actor::Client);
        let loss = match asked {
            Some(Actor::Client) => Loss::Terminated,
            Some(Actor::Admin) => Loss::Admin,
            None => Loss::NodeLost,
        };
        let Some(node) = self.nodes.get_mut(&key) else { return };
        if node.kubelet == Kubelet::Gone {
            return;
        }
        node.kubelet = Kubelet::Gone;
        node.ready_epoch += 1;
        let (epoch, name) = (node.ready_epoch, node.object.name.clone());
        for pod_key in node.pods.iter().copied().collect::<Vec<_>>() {
            self.note_loss(pod_key, loss);
            let Some(pod) = self.pods.get(&pod_key).filter(|pod| !pod.stopped && !pod.object.is_finished()) else {
                continue;
            };
            self.facts.killed_with_node.push(Killed {
                at: self.now,
                pod: pod.object.id.clone(),
                node: name.clone(),
                instance: Some(id.clone()),
                must_leave: pod.must_leave(),
                leaving: pod.object.deletion.is_some(),
                asked,
            });
        }
        self.at(self.spec.delays.node_monitor, Timer::NodeUnknown(key, epoch));
        self.refresh_available(key);
    }

    /// The cloud's node controller removes the Node of an instance that is no more; its pods and volumes go with it.
    pub(super) fn remove_node(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get(&key) else { return };
        for pod in node.pods.iter().copied().collect::<Vec<_>>() {
            if let Some(pod) = self.pods.get_mut(&pod) {
                // The garbage collector of pods asks nobody.
                pod.object.finalizers.clear();
            }
            self.remove_pod(pod);
        }
        let attached: Vec<(usize, u32)> = self
            .workloads
            .iter()
            .enumerate()
            .flat_map(|(index, workload)| {
                workload.volumes.iter().map(move |(ordinal, volume)| (index, *ordinal, volume))
            })
            .filter(|(_, _, volume)| volume.attached == Some(key))
            .map(|(index, ordinal, _)| (index, ordinal))
            .collect();
        for (workload, ordinal) in attached {
            self.volume_detached(workload, ordinal, key);
        }
        let Some(node) = self.nodes.remove(&key) else { return };
        if node.available {
            self.available -= 1;
        }
        if node.in_group {
            self.group_nodes -= 1;
            self.group_revision += 1;
            self.cordoned -= u32::from(node.object.unschedulable);
            self.facts.min_available = self.facts.min_available.min(self.available);
        }
        self.node_names.remove(&node.object.name);
        if let Some(instance) = &node.object.instance {
            self.node_of_instance.remove(instance);
        }
        self.log.gone_nodes.insert(key, node.object.name);
        self.touch(Key::Node(key));
        self.to_schedule = true;
    }

    /// Cordons or uncordons.
    pub(super) fn set_unschedulable(&mut self, key: NodeKey, unschedulable: bool, by: Actor) {
        let Some(node) = self.nodes.get_mut(&key).filter(|node| node.object.unschedulable != unschedulable) else {
            return;
        };
        node.object.unschedulable = unschedulable;
        node.object.cordoned_at = unschedulable.then_some(self.now);
        if unschedulable && by != Actor::Client {
            node.object.marks.disown_cordon();
        }
        let (name, was_available, in_group) = (node.object.name.clone(), node.available, node.in_group);
        if in_group {
            self.cordoned = if unschedulable { self.cordoned + 1 } else { self.cordoned - 1 };
            self.facts.max_cordoned = self.facts.max_cordoned.max(self.cordoned);
        }
        self.node_changed(key);
        self.to_schedule |= !unschedulable;
        let (at, available, desired) = (self.now, self.available, self.asg.size().desired);
        if unschedulable {
            self.facts.cordons.push(super::Cordon { at, node: name, by, was_available, available, desired });
        } else {
            let cordoned_by = self.facts.cordoned_by(&name);
            self.facts.uncordons.push(super::Uncordon { at, node: name, by, cordoned_by });
        }
    }

    /// Everybody who watches this node will hear of it.
    pub(super) fn node_changed(&mut self, key: NodeKey) {
        self.touch(Key::Node(key));
        self.refresh_available(key);
    }

    fn refresh_instance(&mut self, id: &InstanceId) {
        if let Some(key) = self.node_of_instance.get(id).copied() {
            self.refresh_available(key);
        }
    }

    fn refresh_available(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get_mut(&key).filter(|node| node.in_group) else { return };
        let instance = node.object.instance.as_ref().and_then(|id| self.asg.instance(id));
        let in_service = instance.is_some_and(|instance| instance.state == InstanceState::InService);
        let available =
            in_service && node.object.is_ready() && !node.object.unschedulable && node.kubelet != Kubelet::Gone;
        match (node.available, available) {
            (false, true) => self.available += 1,
            (true, false) => {
                self.available -= 1;
                let Facts { min_available, .. } = &mut self.facts;
                *min_available = (*min_available).min(self.available);
            }
            (true, true) | (false, false) => {}
        }
        node.available = available;
    }

    /// Whether no Node of this instance exists though it ran long enough to have one.
    pub(super) fn has_no_node(&self, id: &InstanceId) -> bool {
        let Some(instance) = self.asg.instance(id) else { return false };
        let due = instance.running_since.map(|since| crate::domain::later(since, self.spec.delays.join));
        let out = matches!(instance.state.lifecycle(), Lifecycle::Terminating(_));
        !out && due.is_some_and(|due| due < self.now) && !self.node_of_instance.contains_key(id)
    }
}

/// What a node is made of.
pub(super) struct NewNode {
    pub(super) instance: Option<InstanceId>,
    pub(super) kind: NodeKind,
    pub(super) zone: Zone,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<Taint>,
    pub(super) kubelet_version: String,
    pub(super) capacity: Room,
    pub(super) in_group: bool,
}

impl Room {
    pub(super) fn of(spec: &InstanceTypeSpec) -> Self {
        Self { cpu: spec.cpu.0, memory: spec.memory.0, pods: spec.pods, extended: spec.extended.clone() }
    }
}

pub(super) fn taint(spec: &TaintSpec) -> Taint {
    Taint { key: spec.key.clone(), value: spec.value.clone(), effect: spec.effect }
}
