//! The rights that are asked for, and the role that is shipped.

use std::collections::BTreeSet;

use mngup::adapters::k8s::{Place, RIGHTS, Right};
use serde_json::{Value, json};

use crate::server::{Reply, Server};

#[tokio::test]
async fn missing_rights_are_named() {
    let server = Server::start(|seen| {
        let review = seen.json();
        if review["kind"] == "SelfSubjectRulesReview" {
            return rules(&review, &[]);
        }
        let asked = &review["spec"]["resourceAttributes"];
        let allowed = asked["subresource"] != "eviction" && asked["resource"] != "leases";
        Reply::Json(
            201,
            json!({
                "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                "spec": review["spec"], "status": { "allowed": allowed },
            }),
        )
    })
    .await;
    let missing = server.cluster().missing_rights(&Right::needed(false)).await.unwrap();
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "create pods/eviction",
            "get leases.coordination.k8s.io",
            "create leases.coordination.k8s.io",
            "update leases.coordination.k8s.io",
            "delete leases.coordination.k8s.io",
        ]
    );
    let asked = server.log();
    let asked: Vec<_> = asked.iter().map(|seen| seen.json()["spec"]["resourceAttributes"].clone()).collect();
    assert!(
        asked.contains(&json!({ "verb": "get", "group": "", "resource": "configmaps", "namespace": "kube-system" }))
    );
    assert!(asked.contains(&json!({ "verb": "create", "group": "", "resource": "pods", "subresource": "eviction" })));
    assert!(!asked.iter().any(|asked| asked["verb"] == "delete" && asked["resource"] == "pods"));
    assert!(Right::needed(true).iter().any(|right| right.to_string() == "delete pods"));
}

fn rules(review: &Value, rules: &[Value]) -> Reply {
    Reply::Json(
        201,
        json!({
            "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": review["spec"],
            "status": { "resourceRules": rules, "nonResourceRules": [], "incomplete": true },
        }),
    )
}

#[tokio::test]
async fn what_the_rules_show_is_not_asked_for_again() {
    let server = Server::start(|seen| {
        let review = seen.json();
        if review["kind"] == "SelfSubjectRulesReview" {
            let of_state = json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["configmaps", "leases"] });
            let of_names = json!({
                "verbs": ["patch"], "apiGroups": [""], "resources": ["nodes"], "resourceNames": ["one"],
            });
            let of_cluster = json!({
                "verbs": ["get", "list", "watch", "create"], "apiGroups": ["", "policy", "apps"],
                "resources": ["nodes", "pods", "poddisruptionbudgets", "daemonsets"],
            });
            let here = review["spec"]["namespace"] == "kube-system";
            return rules(&review, &if here { vec![of_state] } else { vec![of_cluster, of_names] });
        }
        Reply::Json(
            201,
            json!({
                "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                "spec": review["spec"], "status": { "allowed": false },
            }),
        )
    })
    .await;
    let missing = server.cluster().missing_rights(&Right::needed(false)).await.unwrap();
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    // A rule for one node, or for pods without their subresource, grants neither.
    assert_eq!(names, ["patch nodes", "create pods/eviction"]);
    assert_eq!(server.log().len(), 4);
}

/// `verb group/resource` of each rule of a role.
fn granted(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        assert_eq!(rule.as_object().unwrap().len(), 3, "a rule has groups, resources and verbs only: {rule}");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    assert!(granted.insert(format!("{verb} {group}/{resource}")), "twice: {verb} {group}/{resource}");
                }
            }
        }
    }
    granted
}

#[test]
fn the_role_that_is_shipped_grants_what_is_needed_and_nothing_else() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rbac.yaml")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    for (kind, place) in [("ClusterRole", Place::Cluster), ("Role", Place::StateNamespace)] {
        let role = documents.iter().find(|document| document["kind"] == kind).unwrap();
        let needed: BTreeSet<_> = RIGHTS
            .iter()
            .filter(|right| right.place == place)
            .map(|right| {
                let part = right.subresource.map_or(String::new(), |part| format!("/{part}"));
                format!("{} {}/{}{part}", right.verb, right.group, right.resource)
            })
            .collect();
        assert_eq!(granted(role), needed, "{kind}");
        let binding = documents.iter().find(|document| document["kind"] == format!("{kind}Binding")).unwrap();
        assert_eq!(binding["roleRef"]["kind"], kind);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"]);
    }
}
