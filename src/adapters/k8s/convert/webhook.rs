//! Webhooks that the API server asks about evictions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::Webhook;

/// What validating and mutating webhooks have in common.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hook {
    name: String,
    #[serde(default)]
    failure_policy: Option<String>,
    #[serde(default)]
    client_config: Client,
    #[serde(default)]
    namespace_selector: Value,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Client {
    service: Option<Service>,
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Service {
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rule {
    operations: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    scope: Option<String>,
}

/// Those of a configuration that are asked about evictions; `hooks` are validating or mutating ones.
pub(in crate::adapters::k8s) fn webhooks<T: Serialize>(config: &str, hooks: &[T]) -> Vec<Webhook> {
    let hooks = serde_json::to_value(hooks).and_then(serde_json::from_value::<Vec<Hook>>);
    let hooks = hooks.into_iter().flatten().enumerate();
    let asked = hooks.filter(|(_, hook)| hook.rules.iter().any(Rule::is_about_evictions));
    asked
        .map(|(index, hook)| Webhook {
            config: config.to_owned(),
            index,
            name: hook.name,
            fails_closed: hook.failure_policy.as_deref() != Some("Ignore"),
            service: hook.client_config.service.map(|service| (service.namespace, service.name)),
            url: hook.client_config.url,
            namespaces: hook.namespace_selector,
        })
        .collect()
}

impl Rule {
    /// An eviction is the creation of the subresource `eviction` of a pod.
    fn is_about_evictions(&self) -> bool {
        let has = |list: &[String], wanted: &[&str]| list.iter().any(|one| wanted.contains(&one.as_str()));
        has(&self.operations, &["CREATE", "*"])
            && has(&self.api_groups, &["", "*"])
            && has(&self.resources, &["pods/eviction", "pods/*", "*/eviction", "*/*"])
            && self.scope.as_deref() != Some("Cluster")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(hooks: Value) -> Vec<Webhook> {
        webhooks("validatingwebhookconfiguration/guard", &serde_json::from_value::<Vec<Value>>(hooks).unwrap())
    }

    #[test]
    fn only_those_are_told_that_are_asked_about_evictions() {
        let hook = |name: &str, operations: Value, resources: Value| {
            json!({
                "name": name, "failurePolicy": "Fail",
                "clientConfig": { "service": { "namespace": "guard", "name": "guard", "path": "/" } },
                "rules": [{ "operations": operations, "apiGroups": [""], "apiVersions": ["v1"], "resources": resources }],
            })
        };
        let found = read(json!([
            hook("pods.example.com", json!(["CREATE"]), json!(["pods"])),
            hook("evictions.example.com", json!(["CREATE"]), json!(["pods/eviction"])),
            hook("deletes.example.com", json!(["DELETE"]), json!(["pods/*"])),
            hook("all.example.com", json!(["*"]), json!(["*/*"])),
        ]));
        let names: Vec<_> = found.iter().map(|hook| (hook.name.as_str(), hook.index)).collect();
        assert_eq!(names, [("evictions.example.com", 1), ("all.example.com", 3)]);
        assert!(found[0].fails_closed && found[0].service == Some(("guard".to_owned(), "guard".to_owned())));
    }

    #[test]
    fn one_that_is_ignored_while_it_does_not_answer_says_so_and_what_it_selects_stays_as_it_is() {
        let selector = json!({ "matchLabels": { "guard": "on" } });
        let found = read(json!([{
            "name": "x", "failurePolicy": "Ignore", "clientConfig": { "url": "https://guard.example.com/" },
            "namespaceSelector": selector,
            "rules": [{ "operations": ["CREATE"], "apiGroups": ["*"], "resources": ["pods/*"], "scope": "Namespaced" }],
        }]));
        assert!(!found[0].fails_closed && found[0].service.is_none());
        assert_eq!(found[0].url.as_deref(), Some("https://guard.example.com/"));
        assert_eq!(found[0].namespaces, selector);
    }
}
