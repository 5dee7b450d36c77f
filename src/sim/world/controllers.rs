//! The controllers that make pods: ReplicaSet, StatefulSet, Job, DaemonSet.

use super::{
    World,
    scheduler::wants_daemon,
    state::{Key, NodeKey, PodKey, SimPod, Timer, Volume},
};
use crate::{
    domain::{Owner, Pod, PodPhase, PodRef, Uid, Zone, no_scale_down},
    sim::spec::{TroubleKind, TroubleWith, WorkloadKind},
};

/// How long a controller waits that may not make a pod; real back-off grows to minutes.
const MAKE_AGAIN: std::time::Duration = std::time::Duration::from_secs(10);

impl World {
    /// Compares a workload with what it should be, and makes or removes pods.
    pub(super) fn reconcile(&mut self, index: usize) {
        let workload = &self.workloads[index];
        if self.terminating_namespaces.contains_key(&workload.spec.namespace) {
            return;
        }
        match workload.spec.kind {
            WorkloadKind::Deployment => self.reconcile_replica_set(index),
            WorkloadKind::StatefulSet => self.reconcile_stateful_set(index),
            WorkloadKind::Job => self.reconcile_job(index),
            // Daemon pods are made node by node; bare pods by nobody.
            WorkloadKind::DaemonSet | WorkloadKind::Pod => {}
        }
    }

    fn reconcile_replica_set(&mut self, index: usize) {
        let workload = &self.workloads[index];
        let wanted = workload.replicas as usize;
        let mut active: Vec<(bool, bool, PodKey)> = Vec::new();
        for key in &workload.pods {
            let Some(pod) = self.pods.get(key).filter(|pod| pod.is_active()) else { continue };
            active.push((pod.node.is_some(), pod.object.ready, *key));
        }
        for _ in active.len()..wanted {
            if !self.make_numbered_pod(index) {
                break;
            }
        }
        if active.len() > wanted {
            // Whoever runs least goes first: without a node, then not Ready, then the youngest.
            active.sort_by_key(|(bound, ready, key)| (*bound, *ready, std::cmp::Reverse(*key)));
            for (_, _, key) in active.drain(..active.len() - wanted).collect::<Vec<_>>() {
                self.begin_deletion(key, None);
            }
        }
    }

    /// One after the other: a pod is made only when all before it are Ready, and under the old name only when the old
    /// pod is gone.
    fn reconcile_stateful_set(&mut self, index: usize) {
        let workload = &self.workloads[index];
        let wanted = workload.replicas;
        let by_ordinal = |ordinal: u32| {
            let mut pods = workload.pods.iter().filter_map(|key| self.pods.get(key).map(|pod| (*key, pod)));
            pods.find(|(_, pod)| pod.ordinal == ordinal)
        };
        let mut make = None;
        for ordinal in 0..wanted {
            match by_ordinal(ordinal) {
                None => {
                    make = Some(ordinal);
                    break;
                }
                Some((_, pod)) if pod.object.deletion.is_some() || !pod.object.ready => break,
                Some(_) => {}
            }
        }
        let surplus =
            workload.pods.iter().rev().copied().find(|key| {
                self.pods.get(key).is_some_and(|pod| pod.ordinal >= wanted && pod.object.deletion.is_none())
            });
        if let Some(ordinal) = make {
            let name = format!("{}-{ordinal}", workload.spec.name);
            if self.make_pod(index, name, ordinal, None) {
                self.to_reconcile.insert(index);
            }
        } else if let Some(surplus) = surplus {
            self.begin_deletion(surplus, None);
        }
    }

    fn reconcile_job(&mut self, index: usize) {
        let workload = &self.workloads[index];
        let active = workload.pods.iter().filter(|key| self.pods.get(key).is_some_and(SimPod::is_active)).count();
        let wanted = workload.replicas.saturating_sub(workload.succeeded) as usize;
        for _ in active..wanted {
            if !self.make_numbered_pod(index) {
                break;
            }
        }
    }

    /// Sees to it that each DaemonSet that wants this node has a pod there.
    pub(super) fn reconcile_daemons(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get(&key) else { return };
        let missing: Vec<usize> = (0..self.workloads.len())
            .filter(|index| {
                let workload = &self.workloads[*index];
                let there = |pod: &PodKey| {
                    self.pods.get(pod).is_some_and(|pod| pod.pinned == Some(key) && !pod.object.is_finished())
                };
                wants_daemon(workload, node)
                    && !self.terminating_namespaces.contains_key(&workload.spec.namespace)
                    && !workload.pods.iter().any(there)
            })
            .collect();
        for index in missing {
            let name = format!("{}-{}", self.workloads[index].spec.name, self.rng.suffix(5));
            self.make_pod(index, name, 0, Some(key));
        }
    }

    /// A pod with a name that its controller makes up; whether it may.
    pub(super) fn make_numbered_pod(&mut self, index: usize) -> bool {
        let ordinal = self.workloads[index].made;
        let name = match self.workloads[index].spec.kind {
            WorkloadKind::Pod if self.workloads[index].replicas == 1 => self.workloads[index].owner_name.clone(),
            WorkloadKind::Pod => format!("{}-{ordinal}", self.workloads[index].owner_name),
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet | WorkloadKind::Job => {
                format!("{}-{}", self.workloads[index].owner_name, self.rng.suffix(5))
            }
        };
        self.make_pod(index, name, ordinal, None)
    }

    /// Makes it, unless the server refuses that; then its controller tries again after a while.
    fn make_pod(&mut self, index: usize, name: String, ordinal: u32, pinned: Option<NodeKey>) -> bool {
        if let Some(why) = self.would_not_make(index, &name) {
            let since = self.workloads[index].refused.take().map_or(self.now, |(since, _)| since);
            self.workloads[index].refused = Some((since, why));
            self.at(MAKE_AGAIN, Timer::MakeAgain(index));
            return false;
        }
        self.workloads[index].refused = None;
        self.last_pod += 1;
        let key = self.last_pod;
        let uid = self.new_uid();
        let booting = self.booting;
        let workload = &mut self.workloads[index];
        let spec = &workload.spec;
        let trouble = spec.trouble.as_ref().filter(|trouble| match trouble.with {
            TroubleWith::All => true,
            TroubleWith::First => booting && workload.made == 0,
            TroubleWith::New => !booting,
        });
        let trouble = trouble.map(|trouble| trouble.kind);
        workload.made += 1;
        let unbound = trouble == Some(TroubleKind::UnboundClaim);
        let claims = (spec.zonal_volume || unbound).then(|| format!("data-{name}"));
        let said =
            trouble.filter(|kind| *kind == TroubleKind::SchedulingGated).and_then(|kind| kind.words(&spec.name, 0));
        let object = Pod {
            id: PodRef { namespace: spec.namespace.clone(), name, uid: uid.clone() },
            node: None,
            owner: spec.kind.owner().map(|kind| Owner { kind: kind.to_owned(), name: workload.owner_name.clone() }),
            phase: PodPhase::Pending,
            ready: false,
            ready_since: None,
            created_at: self.now,
            deletion: None,
            mirror: false,
            no_scale_down: no_scale_down(&spec.annotations),
            labels: workload.labels.clone(),
            tolerations: workload.tolerations.clone(),
            grace_seconds: u32::try_from(spec.grace.as_secs()).unwrap_or(u32::MAX),
            finalizers: spec.finalizers.clone(),
            local_data: spec.local_data,
            claims: claims.into_iter().collect(),
            trouble: said,
        };
        if spec.zonal_volume && !workload.volumes.contains_key(&ordinal) {
            let id = format!("vol-0{}", self.rng.hex(16));
            workload.volumes.insert(ordinal, Volume { id, zone: None, attached: None });
        }
        workload.pods.insert(key);
        let pod = SimPod {
            object,
            workload: index,
            ordinal,
            pinned,
            node: None,
            trouble,
            process_ready: false,
            stopped: false,
            waits_for_volume: false,
            crashes: 0,
        };
        self.pods.insert(key, pod);
        self.pod_uids.insert(uid, key);
        self.pending.insert(key);
        self.to_schedule = true;
        self.pod_changed(key);
        true
    }

    /// Why the server does not let this pod be made, in the words that its controller makes an event of.
    fn would_not_make(&self, index: usize, name: &str) -> Option<String> {
        let spec = &self.workloads[index].spec;
        if self.booting {
            return None;
        }
        let forbidden = format!("pods \"{name}\" is forbidden: ");
        let tries = match spec.kind {
            WorkloadKind::StatefulSet => format!("Create Pod {name} in StatefulSet {} failed error: ", spec.name),
            WorkloadKind::Deployment | WorkloadKind::DaemonSet | WorkloadKind::Job | WorkloadKind::Pod => {
                "Error creating: ".to_owned()
            }
        };
        if let Some(why) = &spec.create_refused {
            return Some(format!("{tries}{forbidden}{why}"));
        }
        let quota = self.spec.quotas.iter().find(|quota| quota.namespace == spec.namespace)?;
        let used = self.pods_under_quota(&quota.namespace);
        (used >= quota.pods).then(|| {
            let (name, hard) = (&quota.name, quota.pods);
            format!(
                "{tries}{forbidden}exceeded quota: {name}, requested: pods=1, used: pods={used}, limited: pods={hard}"
            )
        })
    }

    /// Pods that a quota counts: all that have not ended, those on their way out too.
    pub(super) fn pods_under_quota(&self, namespace: &str) -> u32 {
        let counted = |pod: &&SimPod| pod.object.id.namespace == namespace && !pod.object.is_finished();
        u32::try_from(self.pods.values().filter(counted).count()).unwrap_or(u32::MAX)
    }

    /// Puts a pod on a node; a volume that has no zone yet is made in that node's.
    pub(super) fn bind(&mut self, key: PodKey, node_key: NodeKey) {
        let (Some(pod), Some(node)) = (self.pods.get_mut(&key), self.nodes.get_mut(&node_key)) else { return };
        let workload = &mut self.workloads[pod.workload];
        node.used.take(&workload.request);
        node.pods.insert(key);
        pod.node = Some(node_key);
        pod.object.node = Some(node.object.name.clone());
        pod.object.trouble = None;
        *workload.per_node.entry(node_key).or_default() += 1;
        if let Some(zone) = &node.object.zone {
            *workload.per_zone.entry(zone.clone()).or_default() += 1;
        }
        if let (Some(volume), Some(zone)) = (workload.volumes.get_mut(&pod.ordinal), &node.object.zone)
            && volume.zone.is_none()
        {
            volume.zone = Some(zone.clone());
            self.zonal_volumes.insert(zone.clone());
        }
        self.pod_changed(key);
        self.pod_lands(key);
    }

    /// Gives back what the pod took of its node; it is counted there no longer.
    pub(super) fn unbind(&mut self, key: PodKey) {
        let Some(pod) = self.pods.get_mut(&key) else { return };
        let Some(node_key) = pod.node.take() else { return };
        let workload = &mut self.workloads[pod.workload];
        less(&mut workload.per_node, &node_key);
        let mut zone: Option<Zone> = None;
        if let Some(node) = self.nodes.get_mut(&node_key) {
            node.pods.remove(&key);
            if !pod.object.is_finished() {
                node.used.give_back(&workload.request);
            }
            zone.clone_from(&node.object.zone);
        }
        if let Some(zone) = zone {
            less(&mut workload.per_zone, &zone);
        }
        self.to_schedule = true;
        let is_attached = |volume: &Volume| volume.attached == Some(node_key) && !workload.attachments_stick;
        if workload.volumes.get(&pod.ordinal).is_some_and(is_attached) {
            let (workload, ordinal) = (pod.workload, pod.ordinal);
            self.at(self.spec.delays.detach, Timer::Detached { workload, ordinal, node: node_key });
        }
    }

    /// Takes the object away for good.
    pub(super) fn remove_pod(&mut self, key: PodKey) {
        let node_key = self.pods.get(&key).and_then(|pod| pod.node);
        self.unbind(key);
        let Some(pod) = self.pods.remove(&key) else { return };
        self.pending.remove(&key);
        self.pod_uids.remove(&pod.object.id.uid);
        self.workloads[pod.workload].pods.remove(&key);
        self.to_reconcile.insert(pod.workload);
        if let Some(node_key) = node_key.filter(|_| pod.pinned.is_some()) {
            self.to_reconcile_daemons.insert(node_key);
        }
        if let Some(node) = pod.object.node {
            self.log.gone_pods.insert(key, (pod.object.id.uid, node));
        }
        self.touch(Key::Pod(key));
        self.budgets_notice(pod.workload);
    }

    /// Everybody who watches this pod will hear of it.
    pub(super) fn pod_changed(&mut self, key: PodKey) {
        self.touch(Key::Pod(key));
        if let Some(workload) = self.pods.get(&key).map(|pod| pod.workload) {
            self.budgets_notice(workload);
        }
    }

    fn new_uid(&mut self) -> Uid {
        let (high, low) = (self.rng.next_u64(), self.rng.next_u64());
        Uid::new(format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        ))
    }
}

fn less<K: Ord>(counts: &mut std::collections::BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
