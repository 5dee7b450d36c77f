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

/// Where other evidence disagrees with the launch template's: a sentence for each kind of disagreement.
#[must_use]
pub fn disagreements(snapshot: &Snapshot) -> Vec<String> {
    let Some(group) = snapshot.group() else { return Vec::new() };
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for instance in group.instances.values() {
        let of = if evidence(instance, group).is_some() { &mut old } else { &mut new };
        of.extend(snapshot.node_of(&instance.id));
    }
    [other_kubelets(group, &new), different_images(&new), same_images(&old, &new)].concat()
}

/// New nodes whose kubelet is not of the version that the node group says. An old node with the right kubelet is no
/// disagreement: most new templates bring another image of the same minor version.
fn other_kubelets(group: &Group, new: &[&Node]) -> Vec<String> {
    let Some(wanted) = group.nodegroup.as_ref().and_then(|nodegroup| nodegroup.version.as_deref()) else {
        return Vec::new();
    };
    let others = new.iter().copied().filter(|node| !runs_minor(&node.kubelet_version, wanted));
    let said = by(others, |node| Some(node.kubelet_version.as_str())).into_iter().map(|(kubelet, nodes)| match nodes[..] {
        [node] => format!(
            "node/{} comes from the target launch template, but its kubelet is {kubelet} and the node group says {wanted}",
            node.name
        ),
        _ => format!(
            "{} nodes come from the target launch template, but their kubelet is {kubelet} and the node group says \
             {wanted}: {}",
            nodes.len(),
            names(&nodes)
        ),
    });
    said.collect()
}

fn different_images(new: &[&Node]) -> Vec<String> {
    let images = by(new.iter().copied(), image);
    if images.len() < 2 {
        return Vec::new();
    }
    let list: Vec<_> = images.iter().map(|(image, nodes)| format!("{image} on {}", nodes.len())).collect();
    vec![format!("nodes from the target launch template run different images: {}", list.join(", "))]
}

/// Old nodes that run what the new ones run: the templates differ in something else, or not in what was meant.
fn same_images(old: &[&Node], new: &[&Node]) -> Vec<String> {
    let current = by(new.iter().copied(), image);
    let same = by(old.iter().copied(), image).into_iter().filter(|(image, _)| current.contains_key(image));
    let said = same.map(|(image, nodes)| match nodes[..] {
        [node] => format!("node/{} is old by its launch template, but runs {image} as new nodes do", node.name),
        _ => format!(
            "{} nodes are old by their launch template, but run {image} as new nodes do: {}",
            nodes.len(),
            names(&nodes)
        ),
    });
    said.collect()
}

fn image(node: &Node) -> Option<&str> {
    node.labels.get("eks.amazonaws.com/nodegroup-image").map(String::as_str)
}

fn by<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    what: impl Fn(&'a Node) -> Option<&'a str>,
) -> BTreeMap<&'a str, Vec<&'a Node>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for node in nodes {
        if let Some(key) = what(node) {
            groups.entry(key).or_default().push(node);
        }
    }
    groups
}

/// The first of them, and how many more there are.
fn names(nodes: &[&Node]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = nodes.iter().take(SHOWN).map(|node| format!("node/{}", node.name)).collect();
    match nodes.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{}, +{more}", shown.join(", ")),
    }
}

fn runs_minor(kubelet: &str, minor: &str) -> bool {
    let kubelet = kubelet.trim_start_matches('v');
    kubelet.strip_prefix(minor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn member(instance: &Instance, node: Option<&Node>) -> Member {
    Member { instance: instance.id.clone(), node: node.map(|node| node.name.clone()), zone: instance.zone.clone() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_snapshot;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        Change, Counts, LaunchTarget, LaunchTemplate, Marks, NodeKind, Nodegroup, NodegroupStatus, Readiness, Size,
        UpdateStrategy,
    };

    /// A node: the version of its template, its image and its kubelet.
    type Has = (&'static str, &'static str, &'static str);

    const OLD: Has = ("1", "ami-1", "v1.32.9-eks-1");
    const NEW: Has = ("2", "ami-2", "v1.33.5-eks-1");

    /// What is said of these nodes, `a1` and on, in a group that launches version 2 of its template.
    fn said(version: Option<&str>, nodes: &[Has]) -> String {
        let template = |version: &str| LaunchTemplate { id: "lt-1".to_owned(), version: version.to_owned() };
        let mut snapshot = Snapshot::default();
        let mut instances = BTreeMap::new();
        for (number, (version, image, kubelet)) in (1..).zip(nodes) {
            let id: crate::domain::InstanceId = format!("i-{number}").as_str().into();
            let instance = Instance {
                id: id.clone(),
                zone: "a".into(),
                lifecycle: Lifecycle::InService,
                healthy: true,
                template: Some(template(version)),
                instance_type: "m6i.large".to_owned(),
                protected: false,
                no_node: false,
            };
            instances.insert(id.clone(), instance);
            let label = ("eks.amazonaws.com/nodegroup-image".to_owned(), (*image).to_owned());
            snapshot.apply(Change::Node(Box::new(Node {
                name: format!("a{number}").as_str().into(),
                instance: Some(id),
                kind: NodeKind::Instance,
                zone: Some("a".into()),
                created_at: Timestamp::UNIX_EPOCH,
                deleting_since: None,
                finalizers: Vec::new(),
                ready: Readiness::Ready,
                ready_since: None,
                unschedulable: false,
                cordoned_at: None,
                taints: Vec::new(),
                labels: [label].into(),
                marks: Marks::default(),
                shielded: false,
                kubelet_version: (*kubelet).to_owned(),
                extended: BTreeMap::new(),
                volumes: Vec::new(),
            })));
        }
        snapshot.apply(Change::Group(Box::new(Group {
            asg: "eks-workers".into(),
            observed_at: Timestamp::UNIX_EPOCH,
            size: Size { min: 0, desired: 3, max: 5 },
            counts: Counts::Instances,
            target: LaunchTarget { template: Some(template("2")), ..LaunchTarget::default() },
            instances,
            suspended: BTreeSet::new(),
            operator: None,
            instance_refresh: None,
            zones: BTreeSet::new(),
            activities: Vec::new(),
            nodegroup: Some(Nodegroup {
                name: "workers".into(),
                cluster: "prod".into(),
                status: NodegroupStatus::Active,
                issues: Vec::new(),
                max_unavailable: None,
                strategy: UpdateStrategy::Default,
                version: version.map(str::to_owned),
                release: None,
                ami_type: None,
                capacity_type: None,
                role: None,
            }),
        })));
        disagreements(&snapshot).join("\n")
    }

    #[test]
    fn evidence_that_agrees_is_not_worth_a_word() {
        assert_eq!(said(Some("1.33"), &[OLD, OLD, NEW]), "");
        // Another image of the same minor version is what most new templates are.
        assert_eq!(said(Some("1.33"), &[("1", "ami-1", NEW.2), NEW]), "");
        assert_eq!(said(None, &[("2", "ami-2", "v1.30.1")]), "");
    }

    #[test]
    fn a_new_node_with_a_kubelet_of_another_version_is_told() {
        let odd = ("2", "ami-2", "v1.32.9-eks-1");
        assert_snapshot!(said(Some("1.33"), &[OLD, odd, NEW]), @"node/a2 comes from the target launch template, but its kubelet is v1.32.9-eks-1 and the node group says 1.33");
        assert_snapshot!(said(Some("1.33"), &[odd, odd, odd, odd, odd]), @"5 nodes come from the target launch template, but their kubelet is v1.32.9-eks-1 and the node group says 1.33: node/a1, node/a2, node/a3, +2");
        // 1.3 is not 1.33.
        assert!(said(Some("1.3"), &[NEW]).contains("its kubelet is v1.33.5-eks-1"));
    }

    #[test]
    fn new_nodes_with_different_images_are_told() {
        assert_snapshot!(said(None, &[NEW, NEW, ("2", "ami-3", NEW.2)]), @"nodes from the target launch template run different images: ami-2 on 2, ami-3 on 1");
    }

    #[test]
    fn an_old_node_that_runs_what_new_ones_run_is_told() {
        let same = ("1", "ami-2", OLD.2);
        assert_snapshot!(said(None, &[same, NEW]), @"node/a1 is old by its launch template, but runs ami-2 as new nodes do");
        assert_snapshot!(said(None, &[same, OLD, same, NEW]), @"2 nodes are old by their launch template, but run ami-2 as new nodes do: node/a1, node/a3");
        // Without a new node nothing is known of what they run.
        assert_eq!(said(None, &[same, OLD]), "");
    }
}
