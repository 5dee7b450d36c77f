//! The rights that are asked for, and the role that is shipped.

use std::collections::BTreeSet;

use mngup::adapters::k8s::{Need, Objects, Place, RIGHTS, Right};
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
    let own = |verb: &str, group: &str, resource: &str| {
        let (namespace, name) = ("kube-system", "mngup-shop");
        json!({ "verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name })
    };
    assert!(asked.contains(&own("get", "", "configmaps")));
    // It is applied, and an apply has a name; a Lease is posted.
    assert!(asked.contains(&own("create", "", "configmaps")));
    assert!(asked.contains(&json!({
        "verb": "create", "group": "coordination.k8s.io", "resource": "leases", "namespace": "kube-system",
    })));
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
        refuse(&review)
    })
    .await;
    let missing = server.cluster().missing_rights(&Right::needed(false)).await.unwrap();
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    // A rule for one node, or for pods without their subresource, grants neither.
    assert_eq!(names, ["patch nodes", "create pods/eviction"]);
    assert_eq!(server.log().len(), 4);
}

/// What a cluster's rules grant everywhere, and in kube-system what is shipped, with this name put in.
fn narrowed_to(review: &Value, name: &str) -> Reply {
    if review["spec"]["namespace"] != "kube-system" {
        let all = json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["nodes", "pods", "pods/eviction",
            "poddisruptionbudgets", "daemonsets"] });
        return rules(review, &[all]);
    }
    let text = shipped().replace("mngup-NODEGROUP", name);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let role = documents.iter().find(|document| document["kind"] == "Role").unwrap();
    rules(review, role["rules"].as_array().unwrap())
}

fn refuse(review: &Value) -> Reply {
    Reply::Json(
        201,
        json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": review["spec"], "status": { "allowed": false },
        }),
    )
}

#[tokio::test]
async fn rules_that_are_narrowed_to_our_own_objects_are_enough() {
    let server = Server::start(|seen| match seen.json() {
        review if review["kind"] == "SelfSubjectRulesReview" => narrowed_to(&review, "mngup-shop"),
        review => refuse(&review),
    })
    .await;
    assert_eq!(server.cluster().missing_rights(&Right::needed(false)).await.unwrap(), []);
    assert_eq!(server.log().len(), 2, "nothing is asked for again");
}

#[tokio::test]
async fn rules_that_are_narrowed_to_another_group_are_missing() {
    let server = Server::start(|seen| match seen.json() {
        review if review["kind"] == "SelfSubjectRulesReview" => narrowed_to(&review, "mngup-other"),
        review => refuse(&review),
    })
    .await;
    let missing = server.cluster().missing_rights(&Right::needed(false)).await.unwrap();
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "get configmaps",
            "create configmaps",
            "patch configmaps",
            "delete configmaps",
            "get leases.coordination.k8s.io",
            "update leases.coordination.k8s.io",
            "delete leases.coordination.k8s.io",
        ]
    );
    assert!(missing.iter().all(|right| right.objects == Objects::Own));
}

fn shipped() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rbac.yaml")).unwrap()
}

/// `verb group/resource` of each rule of a role, with ` own` where it is narrowed to the run's own objects, or the name.
fn granted(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let own = match rule.get("resourceNames").map(texts) {
            None => String::new(),
            // What the user puts in.
            Some(names) if names == ["mngup-NODEGROUP"] => " own".to_owned(),
            Some(names) => format!(" {}", names.join(" ")),
        };
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    assert!(granted.insert(format!("{verb} {group}/{resource}{own}")), "twice: {verb} {resource}");
                }
            }
        }
    }
    granted
}

#[test]
fn the_role_that_is_shipped_grants_what_is_needed_and_nothing_else() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&shipped()).unwrap();
    let roles = [
        ("ClusterRole", "mngup", Place::Cluster),
        ("Role", "mngup", Place::StateNamespace),
        ("ClusterRole", "mngup-diagnose", Place::Cluster),
    ];
    for (kind, name, place) in roles {
        let is = |document: &Value, kind: &str| document["kind"] == kind && document["metadata"]["name"] == name;
        let role = documents.iter().find(|document| is(document, kind)).unwrap();
        let to_diagnose = name == "mngup-diagnose";
        let needed: BTreeSet<_> = RIGHTS
            .iter()
            .filter(|right| right.place == place && (right.need == Need::ToDiagnose) == to_diagnose)
            .map(|right| {
                let part = right.subresource.map_or(String::new(), |part| format!("/{part}"));
                let own = match right.objects {
                    Objects::All => String::new(),
                    Objects::Own => " own".to_owned(),
                    Objects::Named(one) => format!(" {one}"),
                };
                format!("{} {}/{}{part}{own}", right.verb, right.group, right.resource)
            })
            .collect();
        assert_eq!(granted(role), needed, "{kind} {name}");
        let binding = documents.iter().find(|document| is(document, &format!("{kind}Binding"))).unwrap();
        assert_eq!(binding["roleRef"]["kind"], kind);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"]);
    }
}
