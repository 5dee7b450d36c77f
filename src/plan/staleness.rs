//! Which nodes are old, and by what evidence.

use std::collections::BTreeMap;

use crate::domain::{Evidence, Group, Instance, Lifecycle, Member, Node, OldNode, Policy, Snapshot};

/// Why this instance is to be replaced, if it is: it was launched from another template or version than the group
/// would launch now. That is EKS's own definition; AMI and kubelet only corroborate.
///
/// The label `sourceLaunchTemplateVersion` is never asked: it shows the user's template, the group uses EKS's copy.
#[must_use]
pub fn evidence(instance: &Instance, group: &Group) -> Option<Evidence> {
    let target = group.target.for_type(&instance.instance_type);
    match (&instance.template, target) {
        (Some(has), Some(target)) if has == target => None,
        (Some(has), Some(target)) => Some(Evidence::Template { has: has.clone(), target: target.clone() }),
        (None, Some(_)) => Some(Evidence::NoTemplate),
        // A group on a launch configuration says nothing about single instances.
        (_, None) => None,
    }
}

/// The members to replace, in the order of their instance ids.
#[must_use]
pub fn old_nodes(snapshot: &Snapshot, policy: &Policy) -> Vec<OldNode> {
    let Some(group) = snapshot.group() else { return Vec::new() };
    let replaceable = |instance: &&Instance| matches!(instance.lifecycle, Lifecycle::InService | Lifecycle::Pending(_));
    let instances = group.instances.values().filter(replaceable);
    let found = instances.filter_map(|instance| {
        let node = snapshot.node_of(&instance.id);
        if !policy.only.is_empty() && !node.is_some_and(|node| policy.only.contains(&node.name)) {
            return None;
        }
        let asked = policy.all_nodes.then_some(Evidence::Asked);
        let evidence = evidence(instance, group).or(asked)?;
        Some(OldNode { member: member(instance, node), evidence })
    });
    found.collect()
}

/// Where other evidence disagrees with the launch template's: a sentence for each disagreement.
#[must_use]
pub fn disagreements(snapshot: &Snapshot) -> Vec<String> {
    const IMAGE: &str = "eks.amazonaws.com/nodegroup-image";
    let Some(group) = snapshot.group() else { return Vec::new() };
    let mut images: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut said = Vec::new();
    for instance in group.instances.values() {
        let Some(node) = snapshot.node_of(&instance.id) else { continue };
        let old = evidence(instance, group).is_some();
        if let Some(image) = node.labels.get(IMAGE) {
            let (current, older) = images.entry(image).or_default();
            *if old { older } else { current } += 1;
        }
        let wanted = group.nodegroup.as_ref().and_then(|nodegroup| nodegroup.version.as_deref());
        if let Some(wanted) = wanted
            && !old
            && !runs_minor(&node.kubelet_version, wanted)
        {
            said.push(format!(
                "node/{} comes from the target launch template, but its kubelet is {} and the node group says {wanted}",
                node.name, node.kubelet_version
            ));
        }
    }
    let current = images.values().filter(|(current, _)| *current > 0).count();
    if current > 1 {
        let list: Vec<_> =
            images.iter().filter(|(_, (n, _))| *n > 0).map(|(image, (n, _))| format!("{image} on {n}")).collect();
        said.push(format!("nodes from the target launch template run different images: {}", list.join(", ")));
    }
    said
}

fn runs_minor(kubelet: &str, minor: &str) -> bool {
    let kubelet = kubelet.trim_start_matches('v');
    kubelet.strip_prefix(minor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn member(instance: &Instance, node: Option<&Node>) -> Member {
    Member { instance: instance.id.clone(), node: node.map(|node| node.name.clone()), zone: instance.zone.clone() }
}
