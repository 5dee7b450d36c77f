//! The pod template of a workload, as the API server has it.

use serde_json::{Value, json};

use super::state::Workload;
use crate::{
    domain::Toleration,
    sim::spec::{Topology, TroubleKind},
};

/// What its pods are made from; what is absent there is left out.
pub(super) fn template(workload: &Workload) -> Value {
    let spec = &workload.spec;
    let mut requests = json!({ "cpu": format!("{}m", spec.cpu.0), "memory": format!("{}Mi", spec.memory.0) });
    for (name, amount) in &spec.extended {
        requests[name.as_str()] = amount.to_string().into();
    }
    let tolerations: Vec<_> = workload.tolerations.iter().map(toleration).collect();
    let mut template = json!({
        "containers": [{ "name": spec.name, "resources": { "requests": requests } }],
        "schedulerName": "default-scheduler",
        "tolerations": tolerations,
    });
    if !spec.node_selector.is_empty() {
        template["nodeSelector"] = json!(spec.node_selector);
    }
    if !spec.zones.is_empty() {
        let zones = json!({ "key": "topology.kubernetes.io/zone", "operator": "In", "values": spec.zones });
        let terms = json!({ "nodeSelectorTerms": [{ "matchExpressions": [zones] }] });
        template["affinity"]["nodeAffinity"] = json!({ "requiredDuringSchedulingIgnoredDuringExecution": terms });
    }
    let own = json!({ "matchLabels": { "app": spec.pod_labels()["app"] } });
    if let Some(topology) = spec.anti_affinity {
        let rule = json!([{ "labelSelector": own, "topologyKey": key(topology) }]);
        template["affinity"]["podAntiAffinity"] = json!({ "requiredDuringSchedulingIgnoredDuringExecution": rule });
    }
    if let Some(topology) = spec.spread {
        template["topologySpreadConstraints"] = json!([{
            "labelSelector": own,
            "maxSkew": 1,
            "topologyKey": key(topology),
            "whenUnsatisfiable": "DoNotSchedule",
        }]);
    }
    match spec.trouble.as_ref().map(|trouble| trouble.kind) {
        Some(TroubleKind::NoScheduler) => template["schedulerName"] = NOBODY.into(),
        Some(TroubleKind::SchedulingGated) => template["schedulingGates"] = json!([{ "name": GATE }]),
        Some(
            TroubleKind::NeverReady
            | TroubleKind::CrashLoop
            | TroubleKind::ImagePull
            | TroubleKind::ConfigMissing
            | TroubleKind::InitFails
            | TroubleKind::NoAddress
            | TroubleKind::Sandbox
            | TroubleKind::Gate
            | TroubleKind::StuckTerminating
            | TroubleKind::UnboundClaim,
        )
        | None => {}
    }
    template
}

/// A scheduler that does not run.
const NOBODY: &str = "batch-scheduler";

/// A gate that nobody takes away.
pub(super) const GATE: &str = "example.com/quota";

fn key(topology: Topology) -> &'static str {
    match topology {
        Topology::Hostname => "kubernetes.io/hostname",
        Topology::Zone => "topology.kubernetes.io/zone",
    }
}

fn toleration(toleration: &Toleration) -> Value {
    let mut written = json!({ "operator": format!("{:?}", toleration.operator) });
    if let Some(key) = &toleration.key {
        written["key"] = key.as_str().into();
    }
    if !toleration.value.is_empty() {
        written["value"] = toleration.value.as_str().into();
    }
    if let Some(effect) = toleration.effect {
        written["effect"] = effect.to_string().into();
    }
    written
}
