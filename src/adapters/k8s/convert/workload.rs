//! Controllers of pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::{IntOrPercent, Owner, Rounding, Strategy, Workload};

/// What Deployments, `ReplicaSets`, `StatefulSets`, `DaemonSets` and Jobs have of what is asked. Read as it is and not as
/// one of their types, so that nothing of a template is lost that a newer server knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::adapters::k8s) struct RawWorkload {
    metadata: ObjectMeta,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    replicas: Option<u32>,
    /// A Deployment's.
    strategy: Rollout,
    /// A `StatefulSet`'s or a `DaemonSet`'s.
    update_strategy: Rollout,
    template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rollout {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Option<Rolling>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rolling {
    max_surge: Option<IntOrPercent>,
    max_unavailable: Option<IntOrPercent>,
    partition: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    spec: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    replicas: Option<u32>,
    ready_replicas: Option<u32>,
    current_number_scheduled: Option<u32>,
    number_ready: Option<u32>,
    active: Option<u32>,
    ready: Option<u32>,
}

impl RawWorkload {
    /// It as the kind that it was asked for as.
    pub(in crate::adapters::k8s) fn workload(self, kind: &str) -> Workload {
        let Self { metadata, spec, status } = self;
        let current = status.replicas.or(status.current_number_scheduled).or(status.active);
        let ready = status.ready_replicas.or(status.number_ready).or(status.ready);
        let annotations = metadata.annotations.unwrap_or_default();
        let labels = metadata.labels.unwrap_or_default();
        let mut owners = metadata.owner_references.into_iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true));
        Workload {
            strategy: strategy(kind, &spec),
            may_be_out: (kind == "Deployment" && spec.strategy.kind != "Recreate").then(|| may_be_out(&spec)),
            replicas: spec.replicas,
            current: current.unwrap_or_default(),
            ready: ready.unwrap_or_default(),
            revision: REVISIONS.iter().find_map(|key| annotations.get(*key)?.parse().ok()),
            owner: owner.map(|owner| Owner { kind: owner.kind, name: owner.name }),
            managed_by: managed_by(&labels, &annotations),
            template: spec.template.spec,
        }
    }
}

/// Where a revision is counted: for Deployments and their sets, and for `DaemonSets`. `StatefulSets` count elsewhere.
const REVISIONS: [&str; 2] = ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"];

/// What the API server fills in where a Deployment does not say.
const QUARTER: IntOrPercent = IntOrPercent::Percent(25);

fn strategy(kind: &str, spec: &Spec) -> Strategy {
    let replicas = spec.replicas.unwrap_or(1);
    match (kind, spec.strategy.kind.as_str(), spec.update_strategy.kind.as_str()) {
        ("Deployment", "Recreate", _) => Strategy::Recreates,
        ("Deployment", _, _) => {
            let rolling = spec.strategy.rolling_update.clone().unwrap_or_default();
            let extra = rolling.max_surge.unwrap_or(QUARTER).of(replicas, Rounding::Up);
            let out = may_be_out(spec).of(replicas, Rounding::Down);
            if extra > 0 && out == 0 { Strategy::Surges } else { Strategy::Rolls }
        }
        ("StatefulSet" | "DaemonSet", _, "OnDelete") => Strategy::OnDelete,
        ("StatefulSet", _, _) => {
            let partition = spec.update_strategy.rolling_update.as_ref().map_or(0, |rolling| rolling.partition);
            if partition > 0 && partition >= replicas { Strategy::Never } else { Strategy::Rolls }
        }
        ("DaemonSet", _, _) => {
            let surge = spec.update_strategy.rolling_update.as_ref().and_then(|rolling| rolling.max_surge);
            let extra = surge.is_some_and(|surge| surge.of(100, Rounding::Up) > 0);
            if extra { Strategy::Surges } else { Strategy::Rolls }
        }
        _ => Strategy::Never,
    }
}

fn may_be_out(spec: &Spec) -> IntOrPercent {
    let rolling = spec.strategy.rolling_update.as_ref();
    rolling.and_then(|rolling| rolling.max_unavailable).unwrap_or(QUARTER)
}

/// Who writes it, told by what they leave on it. Helm's own label is on what GitOps tools write, too: those come first.
fn managed_by(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Option<String> {
    let argo = labels.get("argocd.argoproj.io/instance").or(annotations.get("argocd.argoproj.io/tracking-id"));
    let flux = ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"];
    let helm = annotations.contains_key("meta.helm.sh/release-name");
    if argo.is_some() {
        Some("Argo CD".to_owned())
    } else if flux.iter().any(|key| labels.contains_key(*key)) {
        Some("Flux".to_owned())
    } else {
        let named = labels.get("app.kubernetes.io/managed-by").filter(|name| !name.is_empty());
        named.cloned().or(helm.then(|| "Helm".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, value: Value) -> Workload {
        serde_json::from_value::<RawWorkload>(value).unwrap().workload(kind)
    }

    #[test]
    fn a_deployment_is_read_with_its_template_as_it_is() {
        let workload = read(
            "Deployment",
            json!({
                "metadata": {
                    "name": "cart", "annotations": { "deployment.kubernetes.io/revision": "4" },
                    "labels": { "app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "shop" },
                    "ownerReferences": [{ "apiVersion": "x/v1", "kind": "Shop", "name": "main", "uid": "u", "controller": true }],
                },
                "spec": { "replicas": 2, "template": { "spec": { "of": "tomorrow" } } },
                "status": { "replicas": 2, "readyReplicas": 1 },
            }),
        );
        assert_eq!((workload.replicas, workload.current, workload.ready), (Some(2), 2, 1));
        assert_eq!(workload.strategy, Strategy::Surges, "25% of 2: one more, none out");
        assert_eq!(workload.may_be_out, Some(IntOrPercent::Percent(25)));
        assert_eq!((workload.revision, workload.managed_by.as_deref()), (Some(4), Some("Argo CD")));
        assert_eq!(workload.owner.map(|owner| owner.to_string()).as_deref(), Some("shop/main"));
        assert_eq!(workload.template, json!({ "of": "tomorrow" }));
    }

    #[test]
    fn how_pods_are_exchanged_is_told_by_kind_and_numbers() {
        let deployment = |replicas: u32, strategy: Value| {
            read("Deployment", json!({ "spec": { "replicas": replicas, "strategy": strategy } })).strategy
        };
        let rolling = |surge: Value, out: Value| json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": surge, "maxUnavailable": out } });
        assert_eq!(deployment(1, json!({ "type": "Recreate" })), Strategy::Recreates);
        assert_eq!(deployment(4, rolling(json!("25%"), json!("25%"))), Strategy::Rolls);
        assert_eq!(deployment(4, rolling(json!(1), json!(0))), Strategy::Surges);
        assert_eq!(deployment(1, rolling(json!(0), json!(1))), Strategy::Rolls);
        let set =
            |kind: &str, update: Value| read(kind, json!({ "spec": { "replicas": 3, "updateStrategy": update } }));
        let recreated = read("Deployment", json!({ "spec": { "strategy": { "type": "Recreate" } } }));
        assert_eq!(recreated.may_be_out, None);
        assert_eq!(set("StatefulSet", json!({ "type": "OnDelete" })).strategy, Strategy::OnDelete);
        let partition = |from: u32| json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": from } });
        assert_eq!(set("StatefulSet", partition(0)).strategy, Strategy::Rolls);
        assert_eq!(set("StatefulSet", partition(3)).strategy, Strategy::Never);
        assert_eq!(set("DaemonSet", rolling(json!(0), json!(1))).strategy, Strategy::Rolls);
        assert_eq!(set("DaemonSet", rolling(json!("10%"), json!(0))).strategy, Strategy::Surges);
        assert_eq!(read("Job", json!({})).strategy, Strategy::Never);
    }

    #[test]
    fn a_daemon_set_counts_its_pods_under_other_names() {
        let workload = read(
            "DaemonSet",
            json!({
                "metadata": { "annotations": { "deprecated.daemonset.template.generation": "2" } },
                "status": { "currentNumberScheduled": 3, "numberReady": 2 },
            }),
        );
        assert_eq!((workload.replicas, workload.current, workload.ready, workload.revision), (None, 3, 2, Some(2)));
    }
}
