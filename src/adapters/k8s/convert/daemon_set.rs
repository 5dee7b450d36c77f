//! `DaemonSets`.

use k8s_openapi::api::apps::v1 as apps;

use super::{selector, tolerations};
use crate::domain::{DaemonSet, DaemonSetRef, Selector};

/// A `DaemonSet`, as far as to tell on which nodes it wants a pod.
pub(in crate::adapters::k8s) fn daemon_set(set: apps::DaemonSet) -> DaemonSet {
    let id = DaemonSetRef {
        namespace: set.metadata.namespace.unwrap_or_default(),
        name: set.metadata.name.unwrap_or_default(),
    };
    let pod = set.spec.and_then(|spec| spec.template.spec).unwrap_or_default();
    let plain = Selector::labels(pod.node_selector.unwrap_or_default()).requirements;
    let required = pod
        .affinity
        .and_then(|affinity| affinity.node_affinity)
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution);
    let node_selectors = match required {
        Some(required) => required.node_selector_terms.into_iter().map(|term| selector::term(term, &plain)).collect(),
        None if plain.is_empty() => Vec::new(),
        None => vec![Selector { requirements: plain, absent: false }],
    };
    DaemonSet { id, node_selectors, tolerations: tolerations(pod.tolerations) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "json! reads best in place")]
    fn read(pod: serde_json::Value) -> DaemonSet {
        let set = json!({
            "metadata": { "namespace": "kube-system", "name": "gpu" },
            "spec": { "selector": {}, "template": { "spec": pod } },
        });
        daemon_set(serde_json::from_value(set).unwrap())
    }

    fn matches(set: &DaemonSet, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<_, _> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        set.node_selectors.is_empty() || set.node_selectors.iter().any(|selector| selector.matches(&labels))
    }

    #[test]
    fn without_a_selector_it_wants_every_node() {
        assert_eq!(read(json!({ "containers": [] })).node_selectors, []);
    }

    #[test]
    fn node_selector_and_each_affinity_term_hold_together() {
        let set = read(json!({
            "containers": [],
            "nodeSelector": { "gpu": "yes" },
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                { "matchExpressions": [{ "key": "arch", "operator": "In", "values": ["amd64"] }] },
                { "matchExpressions": [{ "key": "size", "operator": "Gt", "values": ["4"] }] },
                { "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["n1"] }] },
            ] } } },
            "tolerations": [{ "operator": "Exists" }],
        }));
        assert_eq!(set.node_selectors.len(), 3);
        assert!(matches(&set, &[("gpu", "yes")]), "the term with fields only adds nothing");
        assert!(!matches(&set, &[("arch", "amd64"), ("size", "8")]), "nodeSelector is part of each term");
        assert_eq!(set.tolerations.len(), 1);
    }

    #[test]
    fn a_term_that_demands_nothing_matches_nothing() {
        let set = read(json!({
            "containers": [],
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{}],
            } } },
        }));
        assert!(!matches(&set, &[]));
    }
}
