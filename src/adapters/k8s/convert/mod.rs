//! From the API's objects to the nouns of `domain`.

mod budget;
mod daemon_set;
mod event;
mod facts;
mod node;
mod pod;
mod selector;
mod webhook;
mod workload;

pub(super) use budget::pdb;
pub(super) use daemon_set::daemon_set;
pub(super) use event::event;
pub(super) use facts::{
    attachment, claim, cluster_node, gives, lets_evict, namespace, node_roles, quota, reach_of_volume, ready_endpoints,
};
use node::demands;
pub(super) use node::{instance_of, marks, node, zone_of_volume};
pub(super) use pod::pod;
pub(super) use webhook::webhooks;
pub(super) use workload::RawWorkload;

use k8s_openapi::api::core::v1 as core;

use crate::domain::{Taint, TaintEffect, Toleration, TolerationOperator};

/// An effect by its name; none for one that this mngup does not know.
pub(super) fn effect(name: &str) -> Option<TaintEffect> {
    match name {
        "NoSchedule" => Some(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Some(TaintEffect::PreferNoSchedule),
        "NoExecute" => Some(TaintEffect::NoExecute),
        _ => None,
    }
}

fn taint(taint: &core::Taint) -> Option<Taint> {
    Some(Taint {
        key: taint.key.clone(),
        value: taint.value.clone().unwrap_or_default(),
        effect: effect(&taint.effect)?,
    })
}

fn tolerations(tolerations: Option<Vec<core::Toleration>>) -> Vec<Toleration> {
    let convert = |toleration: core::Toleration| Toleration {
        key: toleration.key.filter(|key| !key.is_empty()),
        operator: match toleration.operator.as_deref() {
            Some("Exists") => TolerationOperator::Exists,
            _ => TolerationOperator::Equal,
        },
        value: toleration.value.unwrap_or_default(),
        effect: toleration.effect.as_deref().and_then(effect),
    };
    tolerations.into_iter().flatten().map(convert).collect()
}
