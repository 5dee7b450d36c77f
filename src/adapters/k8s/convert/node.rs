//! Nodes, and the zones that volumes are bound to.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1 as core,
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ManagedFieldsEntry, Time},
    },
};

use super::{super::act::MANAGER, taint};
use crate::domain::{CLUSTER_AUTOSCALER_SHIELD, InstanceId, Marks, Node, NodeKind, NodeName, Readiness, Zone};

/// Mirrors `spec.unschedulable`, which [`Node::unschedulable`] tells already.
const CORDON_TAINT: &str = "node.kubernetes.io/unschedulable";

/// Labels that name a zone, the usual one first.
const ZONE_LABELS: [&str; 3] =
    ["topology.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone", "failure-domain.beta.kubernetes.io/zone"];

/// A Node.
pub(in crate::adapters::k8s) fn node(node: core::Node) -> Node {
    let marks = marks(&node);
    let changed_cordon = node.metadata.managed_fields.iter().flatten().filter(|entry| owns_cordon(entry));
    let changed_cordon = changed_cordon.filter_map(|entry| entry.time.as_ref()).map(|Time(at)| *at).max();
    let labels = node.metadata.labels.unwrap_or_default();
    let annotations = node.metadata.annotations.unwrap_or_default();
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let placed = spec.provider_id.as_deref().and_then(ec2);
    let zone = ZONE_LABELS.iter().find_map(|key| labels.get(*key)).map(String::as_str);
    Node {
        name: NodeName::new(node.metadata.name.unwrap_or_default()),
        instance: placed.as_ref().map(|(_, instance)| instance.clone()),
        kind: kind(&labels, spec.provider_id.as_deref()),
        zone: zone.or(placed.as_ref().map(|(zone, _)| *zone)).map(Zone::new),
        created_at: node.metadata.creation_timestamp.map_or(jiff::Timestamp::UNIX_EPOCH, |Time(at)| at),
        deleting_since: node.metadata.deletion_timestamp.map(|Time(at)| at),
        finalizers: node.metadata.finalizers.unwrap_or_default(),
        ready: readiness(&status),
        ready_since: ready_condition(&status)
            .and_then(|condition| condition.last_transition_time.as_ref())
            .map(|Time(at)| *at),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        cordoned_at: spec
            .taints
            .iter()
            .flatten()
            .find(|t| t.key == CORDON_TAINT)
            .and_then(|t| t.time_added.as_ref())
            .map(|Time(at)| *at)
            // The taint is a controller's, and comes a moment later. Whoever set the field may have changed more since
            // then: so late at the latest.
            .or(changed_cordon.filter(|_| spec.unschedulable == Some(true))),
        taints: spec.taints.iter().flatten().filter(|t| t.key != CORDON_TAINT).filter_map(taint).collect(),
        marks,
        shielded: annotations.get(CLUSTER_AUTOSCALER_SHIELD).is_some_and(|value| value == "true"),
        kubelet_version: status.node_info.as_ref().map(|info| info.kubelet_version.clone()).unwrap_or_default(),
        extended: extended(status.allocatable.as_ref()),
        volumes: volumes(&status),
        labels,
    }
}

/// What mngup wrote on it. The API server knows who set `spec.unschedulable` last: a mark of ours that outlived our
/// cordon says nothing about the one that is there now.
pub(in crate::adapters::k8s) fn marks(node: &core::Node) -> Marks {
    let mut marks = node.metadata.annotations.as_ref().map(Marks::of).unwrap_or_default();
    let mut owners = node.metadata.managed_fields.iter().flatten().filter(|entry| owns_cordon(entry)).peekable();
    let known = owners.peek().is_some();
    if known && !owners.any(|entry| entry.manager.as_deref() == Some(MANAGER)) {
        marks.disown_cordon();
    }
    marks
}

fn owns_cordon(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    fields.is_some_and(|fields| fields.pointer("/f:spec/f:unschedulable").is_some())
}

/// The instance in a providerID; none when that is not an EC2 instance.
pub(in crate::adapters::k8s) fn instance_of(provider_id: &str) -> Option<InstanceId> {
    ec2(provider_id).map(|(_, instance)| instance)
}

/// The zones that a volume is bound to by its node affinity.
pub(in crate::adapters::k8s) fn zone_of_volume(volume: &core::PersistentVolume) -> BTreeSet<Zone> {
    demands(volume)
        .filter(|demand| ZONE_LABELS.contains(&demand.key.as_str()) && demand.operator == "In")
        .flat_map(|demand| demand.values.iter().flatten())
        .map(Zone::new)
        .collect()
}

/// What a volume demands of the nodes that it is used on.
pub(super) fn demands(volume: &core::PersistentVolume) -> impl Iterator<Item = &core::NodeSelectorRequirement> {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required.as_ref());
    let terms = required.into_iter().flat_map(|required| &required.node_selector_terms);
    terms.flat_map(|term| term.match_expressions.iter().flatten())
}

/// Reads `aws:///ZONE/i-…` and nothing else: Fargate has one more segment, hybrid nodes another scheme.
fn ec2(provider_id: &str) -> Option<(&str, InstanceId)> {
    let (zone, instance) = provider_id.strip_prefix("aws:///")?.split_once('/')?;
    let digits = instance.strip_prefix("i-")?;
    let hex = !digits.is_empty() && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    (!zone.is_empty() && hex).then(|| (zone, InstanceId::new(instance)))
}

fn kind(labels: &BTreeMap<String, String>, provider_id: Option<&str>) -> NodeKind {
    let provider_id = provider_id.unwrap_or_default();
    match labels.get("eks.amazonaws.com/compute-type").map(String::as_str) {
        Some("auto") => return NodeKind::AutoMode,
        Some("fargate") => return NodeKind::Fargate,
        Some("hybrid") => return NodeKind::Hybrid,
        _ => {}
    }
    let karpenter = ["karpenter.sh/nodepool", "karpenter.sh/registered", "karpenter.sh/provisioner-name"];
    if karpenter.iter().any(|key| labels.contains_key(*key)) {
        NodeKind::Karpenter
    } else if provider_id.starts_with("eks-hybrid:///") {
        NodeKind::Hybrid
    } else if provider_id.contains("/fargate-") {
        NodeKind::Fargate
    } else if ec2(provider_id).is_some() {
        NodeKind::Instance
    } else {
        NodeKind::Other
    }
}

fn ready_condition(status: &core::NodeStatus) -> Option<&core::NodeCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")
}

fn readiness(status: &core::NodeStatus) -> Readiness {
    match ready_condition(status).map(|condition| (condition, condition.status.as_str())) {
        Some((_, "True")) => Readiness::Ready,
        Some((condition, "False")) => {
            let reason = condition.reason.as_deref().unwrap_or("NotReady");
            Readiness::NotReady(match condition.message.as_deref() {
                None | Some("") => reason.to_owned(),
                Some(message) => format!("{reason}: {message}"),
            })
        }
        Some(_) | None => Readiness::Unknown,
    }
}

/// Extended resources have a domain that is not Kubernetes' own; `hugepages-2Mi` and `attachable-volumes-…` have none.
fn extended(allocatable: Option<&BTreeMap<String, Quantity>>) -> BTreeMap<String, u64> {
    let offered = allocatable.into_iter().flatten().filter_map(|(name, quantity)| {
        let (domain, _) = name.split_once('/')?;
        let own = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
        let amount = whole(&quantity.0)?;
        (!own && amount > 0).then(|| (name.clone(), amount))
    });
    offered.collect()
}

/// A quantity of whole things; extended resources have no fractions.
fn whole(quantity: &str) -> Option<u64> {
    let split = quantity.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.len());
    let (digits, suffix) = quantity.split_at(split);
    let factor = match suffix {
        "" => 1,
        "k" => 1_000,
        "Ki" => 1 << 10,
        "M" => 1_000_000,
        "Mi" => 1 << 20,
        "G" => 1_000_000_000,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn volumes(status: &core::NodeStatus) -> Vec<String> {
    let attached = status.volumes_attached.iter().flatten().map(|volume| &volume.name);
    let used = status.volumes_in_use.iter().flatten();
    attached.chain(used).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Node {
        node(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn only_an_ec2_provider_id_names_an_instance() {
        assert_eq!(instance_of("aws:///eu-west-1a/i-0abc12"), Some("i-0abc12".into()));
        for other in [
            "aws:///eu-west-1a/0a1b/fargate-ip-10-0-1-2.ec2.internal",
            "aws:///eu-west-1a/i-0abc/fargate-ip",
            "aws:///eu-west-1a/i-",
            "aws:///eu-west-1a/i-XYZ",
            "aws:////i-0abc",
            "aws://eu-west-1a/i-0abc",
            "eks-hybrid:///eu-west-1/c/n",
            "",
        ] {
            assert_eq!(instance_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_node_is_read_whole() {
        let node = read(json!({
            "metadata": {
                "name": "ip-10-0-1-2", "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-03T00:00:00Z", "finalizers": ["example.com/hold"],
                "labels": { "topology.kubernetes.io/zone": "eu-west-1a", "eks.amazonaws.com/nodegroup": "shop" },
                "annotations": {
                    "mngup.dev/run": "r1", "other": "x",
                    "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true",
                },
            },
            "spec": {
                "providerID": "aws:///eu-west-1a/i-0a", "unschedulable": true,
                "taints": [
                    { "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-01-02T00:00:00Z" },
                    { "key": "gpu", "value": "yes", "effect": "NoExecute" },
                ],
            },
            "status": {
                "conditions": [{ "type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no cni" }],
                "nodeInfo": { "kubeletVersion": "v1.33.5-eks-1", "architecture": "", "bootID": "",
                    "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "", "machineID": "",
                    "operatingSystem": "", "osImage": "", "systemUUID": "" },
                "allocatable": { "cpu": "2", "nvidia.com/gpu": "4", "vpc.amazonaws.com/pod-eni": "0",
                    "hugepages-2Mi": "8", "attachable-volumes-aws-ebs": "25", "example.kubernetes.io/x": "1" },
                "volumesAttached": [{ "name": "ebs^vol-1", "devicePath": "" }],
                "volumesInUse": ["ebs^vol-1", "ebs^vol-2"],
            },
        }));
        assert_eq!(node.kind, NodeKind::Instance);
        assert_eq!(node.instance, Some("i-0a".into()));
        assert_eq!(node.ready, Readiness::NotReady("KubeletNotReady: no cni".into()));
        assert_eq!(node.deleting_since, Some("2026-01-03T00:00:00Z".parse().unwrap()));
        assert_eq!(node.finalizers, ["example.com/hold"]);
        assert!(node.unschedulable && node.shielded);
        assert_eq!(node.cordoned_at, Some("2026-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(node.taints.iter().map(|taint| taint.key.as_str()).collect::<Vec<_>>(), ["gpu"]);
        assert_eq!(node.marks.0.len(), 1);
        assert_eq!(node.extended, BTreeMap::from([("nvidia.com/gpu".to_owned(), 4)]));
        assert_eq!(node.volumes, ["ebs^vol-1", "ebs^vol-2"]);
    }

    #[test]
    fn until_the_taint_is_there_whoever_set_the_cordon_tells_its_time() {
        let cordoned = |unschedulable: bool| {
            let fields = json!({ "f:spec": { "f:unschedulable": {} } });
            read(json!({
                "metadata": { "managedFields": [
                    { "manager": "kubelet", "time": "2026-01-03T00:00:00Z", "fieldsV1": { "f:status": {} } },
                    { "manager": "kubectl-cordon", "time": "2026-01-02T00:00:00Z", "fieldsV1": fields },
                ] },
                "spec": { "unschedulable": unschedulable },
            }))
            .cordoned_at
        };
        assert_eq!(cordoned(true), Some("2026-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(cordoned(false), None);
    }

    #[test]
    fn kinds_are_told_by_labels_and_provider_id() {
        let kind = |labels: Value, provider: &str| {
            read(json!({ "metadata": { "labels": labels }, "spec": { "providerID": provider } })).kind
        };
        let ec2 = "aws:///eu-west-1a/i-0a";
        assert_eq!(kind(json!({}), ec2), NodeKind::Instance);
        assert_eq!(kind(json!({ "karpenter.sh/nodepool": "default" }), ec2), NodeKind::Karpenter);
        let auto = json!({ "karpenter.sh/nodepool": "default", "eks.amazonaws.com/compute-type": "auto" });
        assert_eq!(kind(auto, ec2), NodeKind::AutoMode);
        assert_eq!(kind(json!({}), "aws:///eu-west-1a/0a1b/fargate-ip-10-0-1-2"), NodeKind::Fargate);
        assert_eq!(kind(json!({}), "eks-hybrid:///eu-west-1/c/n"), NodeKind::Hybrid);
        assert_eq!(kind(json!({}), "kind://x"), NodeKind::Other);
    }

    #[test]
    fn volumes_name_the_zones_they_are_bound_to() {
        let volume = |key: &str| {
            zone_of_volume(
                &serde_json::from_value(json!({ "metadata": {}, "spec": { "nodeAffinity": { "required": {
                    "nodeSelectorTerms": [{ "matchExpressions": [
                        { "key": key, "operator": "In", "values": ["eu-west-1a"] },
                    ] }],
                } } } }))
                .unwrap(),
            )
        };
        for key in ZONE_LABELS {
            assert_eq!(volume(key), BTreeSet::from(["eu-west-1a".into()]));
        }
        assert_eq!(volume("kubernetes.io/hostname"), BTreeSet::new());
    }
}
