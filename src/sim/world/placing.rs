//! What a world tells of nodes, claims, attachments, and of pods that wait for them.

use std::collections::BTreeMap;

use super::{
    World,
    state::{SimNode, SimPod, Volume},
};
use crate::{
    domain::{Attachment, Claim, ClusterNode, KubeEvent, Object, Readiness, Taint, TaintEffect, Zone},
    sim::spec::TroubleKind,
};

impl World {
    pub(super) fn all_nodes(&self) -> Vec<ClusterNode> {
        self.nodes.values().map(cluster_node).collect()
    }

    /// A claim that a pod names.
    pub(super) fn claim_called(&self, namespace: &str, name: &str) -> Option<Claim> {
        let pod = self.pods.values().find(|pod| pod.object.id.namespace == namespace && has(pod, name))?;
        if pod.trouble == Some(TroubleKind::UnboundClaim) {
            return Some(Claim {
                phase: "Pending".to_owned(),
                class_exists: Some(false),
                ..claim(MISSING_CLASS, None)
            });
        }
        let volume = self.workloads[pod.workload].volumes.get(&pod.ordinal);
        Some(claim("gp3", volume))
    }

    /// Each volume that is attached, by the attacher's record of it.
    pub(super) fn attachments(&self) -> Vec<Attachment> {
        let volumes = self.workloads.iter().flat_map(|workload| workload.volumes.values());
        let attached = volumes.filter_map(|volume| Some((volume, self.nodes.get(&volume.attached?)?)));
        let attachment = |(volume, node): (&Volume, &SimNode)| Attachment {
            name: format!("csi-{}", volume.id.trim_start_matches("vol-")),
            volume: volume.id.clone(),
            node: node.object.name.clone(),
            attached: true,
            deleting_since: None,
            created_at: node.object.created_at,
            error: None,
        };
        attached.map(attachment).collect()
    }

    /// What the scheduler and those who attach and make volumes said of it.
    pub(super) fn placing_events(&self, object: &Object) -> Vec<KubeEvent> {
        if let Object::Pod(id) = object {
            let pod = self.pod_uids.get(&id.uid).and_then(|key| self.pods.get(key));
            return pod
                .into_iter()
                .flat_map(|pod| [failed_scheduling(pod), self.failed_attach(pod)])
                .flatten()
                .collect();
        }
        let Object::Claim { namespace, name } = object else { return Vec::new() };
        let here = |pod: &&SimPod| pod.object.id.namespace == *namespace && has(pod, name);
        let lacks = |pod: &&SimPod| pod.trouble == Some(TroubleKind::UnboundClaim);
        let pod = self.pods.values().find(here).filter(lacks);
        let said = format!("storageclass.storage.k8s.io \"{MISSING_CLASS}\" not found");
        pod.map(|pod| said_of(pod, "ProvisioningFailed", said, "persistentvolume-controller")).into_iter().collect()
    }

    fn failed_attach(&self, pod: &SimPod) -> Option<KubeEvent> {
        let volume = self.workloads[pod.workload].volumes.get(&pod.ordinal).filter(|_| pod.waits_for_volume)?;
        let message = format!(
            "Multi-Attach error for volume \"{}\" Volume is already exclusively attached to one node and can't be attached \
             to another",
            volume.id
        );
        Some(said_of(pod, "FailedAttachVolume", message, "attachdetach-controller"))
    }
}

/// A storage class that nobody made.
const MISSING_CLASS: &str = "fast";

fn has(pod: &SimPod, claim: &str) -> bool {
    pod.object.claims.iter().any(|known| known == claim)
}

fn claim(class: &str, volume: Option<&Volume>) -> Claim {
    Claim {
        phase: "Bound".to_owned(),
        volume: volume.map(|volume| volume.id.clone()),
        class: Some(class.to_owned()),
        class_exists: Some(true),
        zones: volume.and_then(|volume| volume.zone.clone()).into_iter().collect::<Vec<Zone>>(),
        hosts: Vec::new(),
    }
}

fn failed_scheduling(pod: &SimPod) -> Option<KubeEvent> {
    let unscheduled = pod.object.trouble.as_ref()?.unscheduled.as_ref();
    let message = unscheduled.filter(|it| it.reason == "Unschedulable")?.message.clone()?;
    Some(said_of(pod, "FailedScheduling", message, "default-scheduler"))
}

fn said_of(pod: &SimPod, reason: &str, message: String, reporter: &str) -> KubeEvent {
    KubeEvent {
        reason: reason.to_owned(),
        message,
        warning: true,
        count: 1,
        first: Some(pod.object.created_at),
        last: Some(pod.object.created_at),
        reporter: reporter.to_owned(),
        about: Some(pod.object.id.uid.clone()),
    }
}

fn cluster_node(node: &SimNode) -> ClusterNode {
    const MI: i64 = 1 << 20;
    let (object, room) = (&node.object, &node.capacity);
    let condition = |key: &str| Taint { key: key.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
    let cordon = object.unschedulable.then(|| condition("node.kubernetes.io/unschedulable"));
    let not_ready = match object.ready {
        Readiness::Ready => None,
        Readiness::NotReady(_) => Some(condition("node.kubernetes.io/not-ready")),
        Readiness::Unknown => Some(condition("node.kubernetes.io/unreachable")),
    };
    let mut allocatable: BTreeMap<String, i64> = [
        ("cpu".to_owned(), i64::from(room.cpu)),
        ("memory".to_owned(), i64::from(room.memory) * MI),
        ("pods".to_owned(), i64::from(room.pods)),
    ]
    .into();
    allocatable
        .extend(room.extended.iter().map(|(name, amount)| (name.clone(), i64::try_from(*amount).unwrap_or(i64::MAX))));
    ClusterNode {
        name: object.name.clone(),
        labels: object.labels.clone(),
        taints: object.taints.iter().cloned().chain(cordon).chain(not_ready).collect(),
        unschedulable: object.unschedulable,
        ready: object.is_ready(),
        allocatable,
    }
}
