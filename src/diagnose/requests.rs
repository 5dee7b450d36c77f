//! What a pod asks of its node, by its template.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::{Quantity, Rounding};

/// What its pods ask for in all: `cpu` in thousandths, the others in whole units (k8s.io/component-helpers
/// `resource.PodRequests`).
pub(super) fn of(template: &Value) -> BTreeMap<String, i64> {
    let mut total = BTreeMap::new();
    for container in containers(template) {
        add(&mut total, &asked(container));
    }
    let (mut beside, mut peak) = (BTreeMap::new(), BTreeMap::new());
    for init in list(template, "initContainers") {
        let asks = asked(init);
        if init["restartPolicy"] == "Always" {
            add(&mut total, &asks);
            add(&mut beside, &asks);
            raise(&mut peak, &beside);
        } else {
            let mut with = beside.clone();
            add(&mut with, &asks);
            raise(&mut peak, &with);
        }
    }
    raise(&mut total, &peak);
    add(&mut total, &amounts(&template["overhead"]));
    total
}

/// Its containers that run side by side.
pub(super) fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    list(template, "containers")
}

/// What a container asks for; who names only a limit asks for that.
pub(super) fn asked(container: &Value) -> BTreeMap<String, i64> {
    let resources = &container["resources"];
    let mut asked = amounts(&resources["limits"]);
    asked.extend(amounts(&resources["requests"]));
    asked
}

/// What a container's `requests` or `limits` say of a resource, as it is written there.
pub(super) fn text(container: &Value, list: &str, resource: &str) -> Option<String> {
    Some(&container["resources"][list][resource]).filter(|amount| !amount.is_null()).map(written_as)
}

/// An amount as kubectl takes it.
pub(super) fn written(resource: &str, amount: i64) -> String {
    const MI: i64 = 1 << 20;
    match resource {
        "cpu" => format!("{amount}m"),
        "memory" | "ephemeral-storage" if amount >= MI => format!("{}Mi", amount / MI),
        _ => amount.to_string(),
    }
}

fn list<'a>(template: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    template[field].as_array().into_iter().flatten()
}

fn amounts(list: &Value) -> BTreeMap<String, i64> {
    let named = list.as_object().into_iter().flatten();
    named.filter_map(|(resource, text)| Some((resource.clone(), amount(resource, text)?))).collect()
}

fn add(sum: &mut BTreeMap<String, i64>, more: &BTreeMap<String, i64>) {
    for (resource, amount) in more {
        *sum.entry(resource.clone()).or_default() += amount;
    }
}

fn raise(most: &mut BTreeMap<String, i64>, other: &BTreeMap<String, i64>) {
    for (resource, amount) in other {
        let known = most.entry(resource.clone()).or_default();
        *known = (*known).max(*amount);
    }
}

/// Rounded up, as the scheduler does.
fn amount(resource: &str, quantity: &Value) -> Option<i64> {
    Quantity::parse(&written_as(quantity))?.of(resource, Rounding::Up)
}

fn written_as(quantity: &Value) -> String {
    quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_asks_for_its_containers_or_for_its_largest_start() {
        let container = |cpu: &str| json!({ "resources": { "requests": { "cpu": cpu, "memory": "1Gi" } } });
        let mut template = json!({ "containers": [container("500m"), container("1")] });
        assert_eq!(of(&template), [("cpu".to_owned(), 1500), ("memory".to_owned(), 2 << 30)].into());
        template["initContainers"] = json!([container("2")]);
        assert_eq!(of(&template)["cpu"], 2000);
        let mut sidecar = container("250m");
        sidecar["restartPolicy"] = "Always".into();
        template["initContainers"] = json!([sidecar, container("2")]);
        assert_eq!(of(&template)["cpu"], 2250);
        template["overhead"] = json!({ "cpu": "50m" });
        assert_eq!(of(&template)["cpu"], 2300);
        assert_eq!(of(&Value::Null), BTreeMap::new());
    }

    #[test]
    fn what_is_no_text_is_an_amount_too() {
        assert_eq!((amount("nvidia.com/gpu", &json!(1)), amount("cpu", &json!("much"))), (Some(1), None));
        assert_eq!((written("cpu", 1500), written("memory", 3 << 30)), ("1500m".to_owned(), "3072Mi".to_owned()));
    }

    #[test]
    fn a_limit_alone_is_a_request() {
        let only = json!({ "resources": { "limits": { "cpu": "2" }, "requests": { "memory": "1Mi" } } });
        assert_eq!(asked(&only), [("cpu".to_owned(), 2000), ("memory".to_owned(), 1 << 20)].into());
    }
}
