//! What others do, and what goes wrong: by hand, or when its time comes.

use std::time::Duration;

use super::{
    Actor, Loss, World,
    state::{Key, Kubelet, NodeKey, PodKey, Timer},
};
use crate::{
    domain::{InstanceId, Namespace, NodeName, PdbRef, PdbRule, Process, Readiness, Taint, Uid, Zone, later},
    sim::{
        asg::{AutoScalingGroup, FailureReason, LaunchFailure, TemplateUse, VersionUse},
        spec::{FaultKind, Target},
    },
};

/// Something that somebody else does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// `kubectl cordon`
    Cordon(NodeName),
    /// `kubectl uncordon`
    Uncordon(NodeName),
    /// `kubectl delete pod`
    DeletePod(Uid),
    /// `kubectl delete pod --grace-period 0 --force`
    ForceDeletePod(Uid),
    /// `kubectl scale`
    Scale {
        /// The workload's namespace.
        namespace: String,
        /// The workload's name.
        name: String,
        /// To so many.
        replicas: u32,
    },
    /// `kubectl patch pdb`
    ChangeBudget(PdbRef, PdbRule),
    /// `kubectl delete pdb`
    DeleteBudget(PdbRef),
    /// `aws autoscaling terminate-instance-in-auto-scaling-group`
    Terminate(InstanceId),
    /// EC2 takes the machine away.
    SpotLoss(InstanceId),
    /// The kubelet says that its node is not ready, for so long or for ever.
    NotReady(NodeName, Option<Duration>),
    /// The kubelet hangs.
    KubeletDead(NodeName),
    /// Something from a world's description.
    Fault(FaultKind),
}

impl World {
    /// Somebody else acts, now. What does not exist is left alone.
    pub fn act(&mut self, act: &Act) {
        match act {
            Act::Cordon(node) => self.with_node(node, |world, key| world.set_unschedulable(key, true, Actor::Admin)),
            Act::Uncordon(node) => {
                self.with_node(node, |world, key| world.set_unschedulable(key, false, Actor::Admin));
            }
            Act::DeletePod(uid) => self.admin_deletes(uid, None),
            Act::ForceDeletePod(uid) => self.admin_deletes(uid, Some(0)),
            Act::Scale { namespace, name, replicas } => {
                if let Some(index) = self.workload(namespace, name) {
                    self.workloads[index].replicas = *replicas;
                    self.to_reconcile.insert(index);
                    self.budgets_notice(index);
                }
            }
            Act::ChangeBudget(id, rule) => {
                if let Some(index) = self.budget(id) {
                    self.budgets[index].object.rule = *rule;
                    self.budgets[index].object.generation += 1;
                    self.budgets[index].object.spec_changed_at = Some(self.now);
                    self.budget_changed(index);
                    self.sync_later(index);
                }
            }
            Act::DeleteBudget(id) => {
                if let Some(index) = self.budget(id) {
                    self.budgets[index].deleted = true;
                    self.touch(Key::Budget(index));
                }
            }
            Act::Terminate(instance) => {
                // An instance that is gone already is what was wanted.
                let _ = self.terminate(instance, false, Actor::Admin);
            }
            Act::SpotLoss(instance) => {
                let _ = self.asg.interrupt(instance, self.now);
            }
            Act::NotReady(node, lasts) => {
                self.with_node(node, |world, key| world.becomes_not_ready(key, *lasts, None));
            }
            Act::KubeletDead(node) => self.with_node(node, Self::kubelet_dies),
            Act::Fault(fault) => self.suffer(fault),
        }
        self.settle();
    }

    pub(super) fn fault_happens(&mut self, index: usize) {
        if let Some(fault) = self.spec.faults.get(index).cloned() {
            self.suffer(&fault.what);
        }
    }

    fn suffer(&mut self, fault: &FaultKind) {
        let now = self.now;
        let until = |lasts: &Option<Duration>| lasts.map(|lasts| later(now, lasts));
        match fault {
            FaultKind::SpotLoss { node } => {
                if let Some(instance) = self.instance_of(*node) {
                    let _ = self.asg.interrupt(&instance, now);
                }
            }
            FaultKind::Terminate { node } => {
                if let Some(instance) = self.instance_of(*node) {
                    let _ = self.terminate(&instance, false, Actor::Admin);
                }
            }
            FaultKind::NotReady { node, lasts, says } => {
                if let Some(key) = self.target(*node) {
                    self.becomes_not_ready(key, *lasts, says.as_deref());
                }
            }
            FaultKind::KubeletDead { node } => {
                if let Some(key) = self.target(*node) {
                    self.kubelet_dies(key);
                }
            }
            FaultKind::Uncordon { node } => {
                if let Some(key) = self.target(*node) {
                    self.set_unschedulable(key, false, Actor::Admin);
                }
            }
            FaultKind::Cordon { node } => {
                if let Some(key) = self.target(*node) {
                    self.set_unschedulable(key, true, Actor::Admin);
                }
            }
            FaultKind::LaunchesFail { lasts, zone, reason } => {
                let reason = failure_reason(reason.as_deref());
                self.asg.add_failure(LaunchFailure {
                    zone: zone.as_deref().map(Zone::new),
                    instance_type: None,
                    from: now,
                    until: until(lasts),
                    attempts: None,
                    reason,
                });
            }
            FaultKind::TypeRunsOut { instance_type } => self.asg.add_failure(LaunchFailure {
                zone: None,
                instance_type: Some(instance_type.clone()),
                from: now,
                until: None,
                attempts: None,
                reason: FailureReason::Capacity,
            }),
            FaultKind::Taint { key, value, effect } => {
                let taint = Taint { key: key.clone(), value: value.clone(), effect: *effect };
                let nodes: Vec<_> = self.nodes.iter().filter(|(_, node)| node.in_group).map(|(key, _)| *key).collect();
                for key in nodes {
                    if let Some(node) = self.nodes.get_mut(&key) {
                        node.object.taints.push(taint.clone());
                        self.node_changed(key);
                    }
                }
            }
            FaultKind::AttachmentsStick { workload } => {
                if let Some(index) = self.workload_named(workload) {
                    self.workloads[index].attachments_stick = true;
                }
            }
            FaultKind::LaunchesStall { lasts } => {
                self.asg.stall(until(lasts).unwrap_or(jiff::Timestamp::MAX));
            }
            FaultKind::Suspend { process } => self.asg.suspend(&[Process::parse(process)], now),
            FaultKind::NeverJoin { lasts } => {
                self.joins_fail_until = Some(until(lasts).unwrap_or(jiff::Timestamp::MAX));
            }
            FaultKind::NeverReady { lasts, says } => {
                self.nodes_fail_until = Some(until(lasts).unwrap_or(jiff::Timestamp::MAX));
                self.nodes_say.clone_from(says);
            }
            FaultKind::StaleLaunches { lasts } => {
                let version = self.spec.group.template.old;
                self.asg.launch_stale(version, until(lasts).unwrap_or(jiff::Timestamp::MAX));
            }
            FaultKind::LaunchesLost { lasts } => {
                self.launches_lost_until = Some(until(lasts).unwrap_or(jiff::Timestamp::MAX));
            }
            FaultKind::Shrink { by } => {
                let size = self.asg.size();
                // Never below its minimum: the group would refuse that.
                let _ = self.asg.set_desired(size.desired.saturating_sub(*by).max(size.min), now);
            }
            FaultKind::DeletePod { workload } => {
                let running = |key: &PodKey| self.pods.get(key).is_some_and(|pod| pod.object.deletion.is_none());
                if let Some(index) = self.workload_named(workload)
                    && let Some(key) = self.workloads[index].pods.iter().copied().find(running)
                {
                    self.note_loss(key, Loss::Admin);
                    self.begin_deletion(key, None);
                }
            }
            FaultKind::Scale { workload, replicas } => {
                if let Some((namespace, name)) = workload.split_once('/') {
                    let (namespace, name) = (namespace.to_owned(), name.to_owned());
                    self.act(&Act::Scale { namespace, name, replicas: *replicas });
                }
            }
            FaultKind::ChangeBudget { budget, min_available, max_unavailable } => {
                let rule = min_available.map(PdbRule::MinAvailable).or(max_unavailable.map(PdbRule::MaxUnavailable));
                if let (Some(id), Some(rule)) = (pdb_ref(budget), rule) {
                    self.act(&Act::ChangeBudget(id, rule));
                }
            }
            FaultKind::DeleteBudget { budget } => {
                if let Some(id) = pdb_ref(budget) {
                    self.act(&Act::DeleteBudget(id));
                }
            }
            FaultKind::DisruptedSticks { budget } => {
                if let Some(index) = pdb_ref(budget).and_then(|id| self.budget(&id)) {
                    self.disrupted_sticks(index);
                }
            }
            FaultKind::DeleteNamespace { namespace } => self.namespace_goes(namespace),
            FaultKind::NamespaceHangs { namespace, says } => {
                let remains = vec![says.clone()];
                self.terminating_namespaces.insert(namespace.clone(), Namespace { deleting_since: Some(now), remains });
            }
            FaultKind::RemoveFinalizers { workload } => self.finalizers_go(workload),
            FaultKind::Grow { by } => {
                let size = self.asg.size();
                let desired = size.desired.saturating_add(*by).min(size.max);
                if self.asg.set_desired(desired, now).is_ok() {
                    self.facts.grown += desired - size.desired;
                }
            }
            FaultKind::NewTemplate => {
                let used = self.asg.config().launch_from.clone();
                let version = self.asg.new_template_version(&used.id, true, now);
                if let (VersionUse::Number(_), Some(version)) = (used.version, version) {
                    self.asg.launch_from(TemplateUse { version: VersionUse::Number(version), ..used }, now);
                }
            }
            FaultKind::ResumeAzRebalance => self.asg.resume(&[Process::AzRebalance], now),
            FaultKind::BudgetLag { lag } => self.spec.delays.budget_lag = *lag,
        }
    }

    fn becomes_not_ready(&mut self, key: NodeKey, lasts: Option<Duration>, says: Option<&str>) {
        self.set_readiness(key, Kubelet::NotReady, not_ready(says));
        if let (Some(lasts), Some(node)) = (lasts, self.nodes.get(&key)) {
            self.at(lasts, Timer::NodeRecovers(key, node.ready_epoch));
        }
    }

    fn kubelet_dies(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get_mut(&key).filter(|node| node.kubelet != Kubelet::Gone) else { return };
        node.kubelet = Kubelet::Dead;
        let epoch = node.ready_epoch;
        self.at(self.spec.delays.node_monitor, Timer::NodeUnknown(key, epoch));
    }

    fn namespace_goes(&mut self, namespace: &str) {
        let deleted = Namespace { deleting_since: Some(self.now), remains: Vec::new() };
        self.terminating_namespaces.insert(namespace.to_owned(), deleted);
        let here = |pod: &super::SimPod| pod.object.id.namespace == namespace;
        let pods: Vec<PodKey> = self.pods.iter().filter(|(_, pod)| here(pod)).map(|(key, _)| *key).collect();
        for key in pods {
            self.begin_deletion(key, None);
        }
        for index in 0..self.budgets.len() {
            if self.budgets[index].object.id.namespace == namespace {
                self.budgets[index].deleted = true;
                self.touch(Key::Budget(index));
            }
        }
    }

    fn finalizers_go(&mut self, workload: &str) {
        let Some(index) = self.workload_named(workload) else { return };
        self.workloads[index].spec.finalizers.clear();
        for key in self.workloads[index].pods.clone() {
            let Some(pod) = self.pods.get_mut(&key) else { continue };
            pod.object.finalizers.clear();
            let stopped = pod.stopped;
            self.pod_changed(key);
            if stopped {
                self.pod_is_done(key);
            }
        }
    }

    fn admin_deletes(&mut self, uid: &Uid, grace: Option<u32>) {
        if let Some(key) = self.pod_uids.get(uid).copied() {
            self.note_loss(key, Loss::Admin);
            self.begin_deletion(key, grace);
        }
    }

    fn with_node(&mut self, name: &NodeName, act: impl FnOnce(&mut Self, NodeKey)) {
        if let Some(key) = self.node_names.get(name).copied() {
            act(self, key);
        }
    }

    fn target(&self, target: Target) -> Option<NodeKey> {
        let mut nodes: Vec<_> = self.nodes.iter().filter(|(_, node)| node.in_group).collect();
        nodes.sort_by(|(_, one), (_, other)| one.object.name.cmp(&other.object.name));
        let found = match target {
            Target::First => nodes.first().copied(),
            Target::Last => nodes.last().copied(),
            Target::Cordoned => nodes.into_iter().find(|(_, node)| node.object.unschedulable),
            Target::Serving => nodes.into_iter().find(|(_, node)| node.available),
            Target::Newest => nodes.into_iter().max_by_key(|(key, _)| **key),
        };
        found.map(|(key, _)| *key)
    }

    fn instance_of(&self, target: Target) -> Option<InstanceId> {
        self.nodes.get(&self.target(target)?)?.object.instance.clone()
    }

    fn workload_named(&self, name: &str) -> Option<usize> {
        let (namespace, name) = name.split_once('/')?;
        self.workload(namespace, name)
    }

    fn workload(&self, namespace: &str, name: &str) -> Option<usize> {
        self.workloads.iter().position(|workload| workload.spec.namespace == namespace && workload.spec.name == name)
    }

    fn budget(&self, id: &PdbRef) -> Option<usize> {
        self.budgets.iter().position(|budget| !budget.deleted && budget.object.id == *id)
    }

    /// The Auto Scaling group, to be changed by hand; the world takes notice at once.
    pub fn with_asg<T>(&mut self, act: impl FnOnce(&mut AutoScalingGroup) -> T) -> T {
        let result = act(&mut self.asg);
        self.settle();
        result
    }
}

fn pdb_ref(name: &str) -> Option<PdbRef> {
    let (namespace, name) = name.split_once('/')?;
    Some(PdbRef { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// Condition Ready as a kubelet words it.
pub(super) fn not_ready(says: Option<&str>) -> Readiness {
    let reason = "KubeletNotReady";
    Readiness::NotReady(says.map_or_else(|| reason.to_owned(), |says| format!("{reason}: {says}")))
}

fn failure_reason(reason: Option<&str>) -> FailureReason {
    match reason {
        None | Some("capacity") => FailureReason::Capacity,
        Some("vcpu-limit") => FailureReason::VcpuLimit,
        Some("addresses") => FailureReason::Addresses,
        Some(other) => FailureReason::Other(other.to_owned()),
    }
}
