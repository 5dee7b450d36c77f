//! What a pod asks of its node, by its template.

use std::collections::BTreeMap;

use serde_json::Value;

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

/// A quantity of Kubernetes (apimachinery `pkg/api/resource`), rounded up as the scheduler does.
fn amount(resource: &str, quantity: &Value) -> Option<i64> {
    let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-' && c != '+').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        // `1e3`: the only other form.
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let units = if resource == "cpu" { number * factor * 1000.0 } else { number * factor };
    // What is a whole number in decimal may lie a hair above it in binary.
    #[expect(clippy::cast_possible_truncation, reason = "no node has more than an i64 of anything; a float saturates")]
    let whole = (units - 1e-6).ceil() as i64;
    Some(whole)
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
    fn quantities_are_read_in_every_form() {
        let cpu = [("2", 2000), ("0.1", 100), ("100m", 100), ("1500m", 1500), ("1n", 1)];
        for (text, thousandths) in cpu {
            assert_eq!(amount("cpu", &json!(text)), Some(thousandths), "{text}");
        }
        let memory = [("128974848", 128_974_848), ("129e6", 129_000_000), ("129M", 129_000_000), ("123Mi", 123 << 20)];
        for (text, bytes) in memory {
            assert_eq!(amount("memory", &json!(text)), Some(bytes), "{text}");
        }
        assert_eq!(amount("nvidia.com/gpu", &json!(1)), Some(1));
        assert_eq!(amount("cpu", &json!("much")), None);
        assert_eq!((written("cpu", 1500), written("memory", 3 << 30)), ("1500m".to_owned(), "3072Mi".to_owned()));
    }

    #[test]
    fn a_limit_alone_is_a_request() {
        let only = json!({ "resources": { "limits": { "cpu": "2" }, "requests": { "memory": "1Mi" } } });
        assert_eq!(asked(&only), [("cpu".to_owned(), 2000), ("memory".to_owned(), 1 << 20)].into());
    }
}
