//! What a diagnosis asks beyond what is watched: nodes of all groups, volumes, quotas, namespaces, endpoints, rights.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1 as core,
        discovery::v1::{Endpoint, EndpointSlice},
        rbac::v1 as rbac,
        storage::v1 as storage,
    },
    apimachinery::pkg::{api::resource::Quantity as Written, apis::meta::v1::Time},
};
use serde::Deserialize;

use super::{demands, taint, zone_of_volume};
use crate::domain::{Attachment, Claim, ClusterNode, Namespace, NodeName, Quantity, Quota, Rounding, Zone};

/// A node of the cluster, whosever it is.
pub(in crate::adapters::k8s) fn cluster_node(node: core::Node) -> ClusterNode {
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let is_ready = |condition: &core::NodeCondition| condition.type_ == "Ready" && condition.status == "True";
    ClusterNode {
        name: NodeName::new(node.metadata.name.unwrap_or_default()),
        labels: node.metadata.labels.unwrap_or_default(),
        taints: spec.taints.iter().flatten().filter_map(taint).collect(),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        ready: status.conditions.iter().flatten().any(is_ready),
        allocatable: status.allocatable.into_iter().flatten().filter_map(amount).collect(),
    }
}

/// `cpu` in thousandths, the others in whole units.
fn amount((name, quantity): (String, Written)) -> Option<(String, i64)> {
    let amount = Quantity::parse(&quantity.0)?.of(&name, Rounding::Down)?;
    Some((name, amount))
}

/// A claim; what its volume and its class say is not known yet.
pub(in crate::adapters::k8s) fn claim(claim: core::PersistentVolumeClaim) -> Claim {
    let spec = claim.spec.unwrap_or_default();
    let named = |name: Option<String>| name.filter(|name| !name.is_empty());
    Claim {
        phase: claim.status.and_then(|status| status.phase).unwrap_or_else(|| "Pending".to_owned()),
        volume: named(spec.volume_name),
        class: named(spec.storage_class_name),
        class_exists: None,
        zones: Vec::new(),
        hosts: Vec::new(),
    }
}

/// The zones that a volume can be used in, and the hosts; empty where that is any.
pub(in crate::adapters::k8s) fn reach_of_volume(volume: &core::PersistentVolume) -> (Vec<Zone>, Vec<String>) {
    let hosts: BTreeSet<String> = demands(volume)
        .filter(|demand| demand.key == "kubernetes.io/hostname" && demand.operator == "In")
        .flat_map(|demand| demand.values.iter().flatten().cloned())
        .collect();
    (zone_of_volume(volume).into_iter().collect(), hosts.into_iter().collect())
}

/// An attachment of a `PersistentVolume`; none for one of an inline volume.
pub(in crate::adapters::k8s) fn attachment(attachment: storage::VolumeAttachment) -> Option<Attachment> {
    let status = attachment.status.unwrap_or_default();
    let error = status.detach_error.or(status.attach_error).and_then(|error| error.message);
    Some(Attachment {
        name: attachment.metadata.name.unwrap_or_default(),
        volume: attachment.spec.source.persistent_volume_name?,
        node: NodeName::new(attachment.spec.node_name),
        attached: status.attached,
        deleting_since: attachment.metadata.deletion_timestamp.map(|Time(at)| at),
        created_at: attachment.metadata.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |Time(at)| at),
        error: error.filter(|message| !message.is_empty()),
    })
}

/// A quota.
pub(in crate::adapters::k8s) fn quota(quota: core::ResourceQuota) -> Quota {
    let words = |amounts: Option<BTreeMap<String, Written>>| {
        amounts.into_iter().flatten().map(|(what, Written(amount))| (what, amount)).collect()
    };
    Quota {
        name: quota.metadata.name.unwrap_or_default(),
        hard: words(quota.spec.and_then(|spec| spec.hard)),
        used: words(quota.status.and_then(|status| status.used)),
    }
}

/// A namespace; while it is deleted with what keeps it.
pub(in crate::adapters::k8s) fn namespace(namespace: core::Namespace) -> Namespace {
    let deleting_since = namespace.metadata.deletion_timestamp.map(|Time(at)| at);
    let conditions = namespace.status.and_then(|status| status.conditions).into_iter().flatten();
    let holds = conditions.filter(|condition| deleting_since.is_some() && condition.status == "True");
    Namespace { deleting_since, remains: holds.filter_map(|condition| condition.message).collect() }
}

/// Ready endpoints of these slices; one that is in a slice of each address family counts once.
pub(in crate::adapters::k8s) fn ready_endpoints(slices: &[EndpointSlice]) -> u32 {
    let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter());
    // Not said is ready, by the API's own words.
    let ready = endpoints.filter(|one| one.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true));
    let one = |endpoint: &Endpoint| {
        let target = endpoint.target_ref.as_ref().and_then(|target| target.uid.clone().or(target.name.clone()));
        target.unwrap_or_else(|| endpoint.addresses.join(","))
    };
    u32::try_from(ready.map(one).collect::<BTreeSet<_>>().len()).unwrap_or(u32::MAX)
}

/// Whether a role lets its holder evict pods.
pub(in crate::adapters::k8s) fn lets_evict(role: &rbac::ClusterRole) -> bool {
    let has = |list: Option<&Vec<String>>, wanted: &[&str]| {
        list.into_iter().flatten().any(|one| one == "*" || wanted.contains(&one.as_str()))
    };
    role.rules.iter().flatten().any(|rule| {
        has(Some(&rule.verbs), &["create"])
            && has(rule.api_groups.as_ref(), &[""])
            && has(rule.resources.as_ref(), &["pods/eviction", "*/eviction"])
            && rule.resource_names.as_ref().is_none_or(Vec::is_empty)
    })
}

/// Whether a binding gives this role to this user.
pub(in crate::adapters::k8s) fn gives(binding: &rbac::ClusterRoleBinding, role: &str, user: &str) -> bool {
    let is_user = |subject: &rbac::Subject| subject.kind == "User" && subject.name == user;
    binding.role_ref.kind == "ClusterRole"
        && binding.role_ref.name == role
        && binding.subjects.iter().flatten().any(is_user)
}

/// The ARNs of the roles that `mapRoles` of `aws-auth` lets join as nodes.
pub(in crate::adapters::k8s) fn node_roles(text: &str) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Mapped {
        #[serde(default)]
        rolearn: String,
        #[serde(default)]
        groups: Vec<String>,
    }
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let roles: Vec<Mapped> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let joins = roles.into_iter().filter(|role| role.groups.iter().any(|group| group == "system:nodes"));
    Ok(joins.map(|role| role.rolearn).filter(|arn| !arn.is_empty()).collect())
}
