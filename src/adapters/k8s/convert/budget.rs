//! `PodDisruptionBudgets`.

use jiff::Timestamp;
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
    apimachinery::pkg::{
        apis::meta::v1::{ManagedFieldsEntry, Time},
        util::intstr::IntOrString,
    },
};

use super::selector::label_selector;
use crate::domain::{IntOrPercent, Pdb, PdbRef, PdbRule, PdbStatus, UnhealthyPolicy};

/// A budget.
pub(in crate::adapters::k8s) fn pdb(pdb: PodDisruptionBudget) -> Pdb {
    let spec = pdb.spec.unwrap_or_default();
    let rule = match (spec.min_available, spec.max_unavailable) {
        (_, Some(value)) => PdbRule::MaxUnavailable(count(&value)),
        (Some(value), None) => PdbRule::MinAvailable(count(&value)),
        (None, None) => PdbRule::MinAvailable(IntOrPercent::Int(0)),
    };
    Pdb {
        spec_changed_at: pdb.metadata.managed_fields.iter().flatten().filter_map(changed_spec).max(),
        id: PdbRef {
            namespace: pdb.metadata.namespace.unwrap_or_default(),
            name: pdb.metadata.name.unwrap_or_default(),
        },
        revision: pdb.metadata.resource_version.unwrap_or_default(),
        generation: pdb.metadata.generation.unwrap_or_default(),
        selector: label_selector(spec.selector),
        rule,
        unhealthy: match spec.unhealthy_pod_eviction_policy.as_deref() {
            Some("AlwaysAllow") => UnhealthyPolicy::AlwaysAllow,
            _ => UnhealthyPolicy::IfHealthyBudget,
        },
        status: pdb.status.map(status).unwrap_or_default(),
    }
}

/// When the owner of fields of its spec wrote last. The status is written under an entry of its own.
fn changed_spec(entry: &ManagedFieldsEntry) -> Option<Timestamp> {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    let owns_spec = fields.is_some_and(|fields| fields.get("f:spec").is_some());
    entry.time.as_ref().filter(|_| owns_spec).map(|Time(at)| *at)
}

fn status(status: PodDisruptionBudgetStatus) -> PdbStatus {
    let mut conditions = status.conditions.into_iter().flatten();
    let refuses = conditions.find(|condition| condition.type_ == "DisruptionAllowed" && condition.status == "False");
    let blocked_since = refuses.as_ref().map(|condition| condition.last_transition_time.0);
    let failed = refuses.filter(|condition| condition.reason == "SyncFailed");
    PdbStatus {
        observed_generation: status.observed_generation.unwrap_or_default(),
        allowed: status.disruptions_allowed,
        current: status.current_healthy,
        desired: status.desired_healthy,
        expected: status.expected_pods,
        disrupted: status.disrupted_pods.into_iter().flatten().map(|(pod, Time(at))| (pod, at)).collect(),
        blocked_since,
        sync_failed: failed.map(|condition| condition.message),
    }
}

/// The API server has validated it: a count of zero or more, or a percentage up to a hundred.
fn count(value: &IntOrString) -> IntOrPercent {
    match value {
        IntOrString::Int(count) => IntOrPercent::Int(u32::try_from(*count).unwrap_or_default()),
        IntOrString::String(text) => text.parse().unwrap_or(IntOrPercent::Int(0)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_budget_is_read_with_its_status() {
        let read = pdb(serde_json::from_value(json!({
            "metadata": { "namespace": "shop", "name": "cart", "resourceVersion": "7", "generation": 2,
                "managedFields": [
                    { "manager": "helm", "time": "2026-01-02T00:00:00Z", "fieldsV1": { "f:spec": { "f:selector": {} } } },
                    { "manager": "kubectl-patch", "time": "2026-01-03T00:00:00Z",
                        "fieldsV1": { "f:spec": { "f:minAvailable": {} } } },
                    { "manager": "kubectl-label", "time": "2026-01-04T00:00:00Z",
                        "fieldsV1": { "f:metadata": { "f:labels": {} } } },
                    { "manager": "kube-controller-manager", "subresource": "status", "time": "2026-01-05T00:00:00Z",
                        "fieldsV1": { "f:status": { "f:observedGeneration": {} } } },
                ] },
            "spec": {
                "minAvailable": "50%",
                "selector": { "matchLabels": { "app": "cart" },
                    "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["test"] }] },
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
            "status": {
                "observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2,
                "expectedPods": 3, "disruptedPods": { "cart-1": "2026-01-01T00:00:00Z" },
                "conditions": [{ "type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed",
                    "message": "found no controllers", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
            },
        }))
        .unwrap());
        assert_eq!(read.rule, PdbRule::MinAvailable(IntOrPercent::Percent(50)));
        assert_eq!(read.selector.to_query(), "app in (cart),tier notin (test)");
        assert_eq!(read.unhealthy, UnhealthyPolicy::AlwaysAllow);
        assert!(!read.is_observed());
        assert_eq!(read.spec_changed_at, Some("2026-01-03T00:00:00Z".parse().unwrap()));
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(read.status.disrupted.get("cart-1"), Some(&at));
        assert_eq!(read.status.blocked_since, Some(at));
        assert_eq!(read.status.sync_failed.as_deref(), Some("found no controllers"));
    }

    #[test]
    fn an_absent_selector_matches_nothing_and_an_empty_one_everything() {
        let with = |spec| pdb(serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()).selector;
        assert!(with(json!({ "maxUnavailable": 1 })).absent);
        assert!(!with(json!({ "maxUnavailable": 1, "selector": {} })).absent);
    }
}
