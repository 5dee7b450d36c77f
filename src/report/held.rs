//! Whom findings hold, in words.

use std::{collections::BTreeSet, fmt::Display};

use super::{alike::alike, names::Names, wording};
use crate::domain::{Diagnosis, Finding, Held, Lacking, NodeName, Subject};

/// So many names are enough to see whom it is about; the rest is counted.
const NAMED: usize = 5;

/// `2 pods on ip-10-0-1-7: pod/shop/cart-1, pod/shop/cart-2`; none where nobody is held.
pub(super) fn held(holds: &Held, names: &Names) -> Option<String> {
    let Held { nodes, pods, instances, group } = holds;
    let short = |node: &NodeName| names.short(node).to_owned();
    let on = match named(nodes.iter().map(short)) {
        Some(nodes) => format!(" on {nodes}"),
        None => String::new(),
    };
    let of_pods = named(pods.iter()).map(|pods_named| format!("{}{on}: {pods_named}", count(pods.len(), "pod")));
    let of_nodes = named(nodes.iter().map(short)).map(|named| format!("{}: {named}", count(nodes.len(), "node")));
    let of_instances = named(instances.iter()).map(|named| format!("{}: {named}", count(instances.len(), "instance")));
    let parts: Vec<_> = of_pods.or(of_nodes).into_iter().chain(of_instances).chain(group.map(lacking)).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `the group: 1 of 4 nodes is missing`
fn lacking(lacking: Lacking) -> String {
    match lacking {
        Lacking { missing: 0, .. } => "the group as a whole".to_owned(),
        Lacking { missing: 1, of } => format!("the group: 1 of {} is missing", wording::count(of, "node")),
        Lacking { missing, of } => format!("the group: {missing} of {} are missing", wording::count(of, "node")),
    }
}

/// `2 causes hold 3 nodes and 7 pods`
pub(super) fn headline(diagnosis: &Diagnosis) -> String {
    let blocking: Vec<&Finding> = diagnosis.blocking().collect();
    let causes = alike(diagnosis.blocking()).len();
    let verb = match (&diagnosis.subject, causes) {
        (Subject::BeforeUpgrade, _) => "would hold",
        (_, 1) => "holds",
        (_, _) => "hold",
    };
    let nodes: BTreeSet<_> = blocking.iter().flat_map(|finding| &finding.holds.nodes).collect();
    let pods: BTreeSet<_> = blocking.iter().flat_map(|finding| &finding.holds.pods).collect();
    let instances: BTreeSet<_> = blocking.iter().flat_map(|finding| &finding.holds.instances).collect();
    let counted = [(nodes.len(), "node"), (pods.len(), "pod"), (instances.len(), "instance")];
    let mut held: Vec<_> =
        counted.into_iter().filter(|(length, _)| *length > 0).map(|(length, noun)| count(length, noun)).collect();
    if held.is_empty() {
        held.push("the group".to_owned());
    }
    let last = held.pop().unwrap_or_default();
    let others = if held.is_empty() { String::new() } else { format!("{} and ", held.join(", ")) };
    format!("{} {verb} {others}{last}", count(causes, "cause"))
}

/// The first names and how many more there are; none where there are none.
fn named<T: Display>(names: impl ExactSizeIterator<Item = T>) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    let mut shown: Vec<_> = names.take(NAMED).map(|name| name.to_string()).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn count(count: usize, noun: &str) -> String {
    wording::count(u32::try_from(count).unwrap_or(u32::MAX), noun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::pod;

    fn said(holds: &Held) -> String {
        held(holds, &Names::default()).unwrap_or_default()
    }

    #[test]
    fn pods_nodes_instances_and_the_group_are_told_as_what_they_are() {
        let none = Held::default();
        assert_eq!(said(&none), "");
        let pods: BTreeSet<_> = (1..=7).map(|n| pod(&format!("cart-{n}"))).collect();
        let nodes: BTreeSet<NodeName> = ["a".into(), "b".into()].into();
        let both = Held { pods, nodes: nodes.clone(), ..none.clone() };
        let names = "pod/shop/cart-1, pod/shop/cart-2, pod/shop/cart-3, pod/shop/cart-4, pod/shop/cart-5, 2 more";
        assert_eq!(said(&both), format!("7 pods on a, b: {names}"));
        assert_eq!(said(&Held { nodes, ..none.clone() }), "2 nodes: a, b");
        let instances = ["i-0a".into()].into();
        let group = |missing| Some(Lacking { missing, of: 4 });
        let held = Held { instances, group: group(1), ..none.clone() };
        assert_eq!(said(&held), "1 instance: i-0a; the group: 1 of 4 nodes is missing");
        assert_eq!(said(&Held { group: group(2), ..none.clone() }), "the group: 2 of 4 nodes are missing");
        assert_eq!(said(&Held { group: group(0), ..none }), "the group as a whole");
    }
}
