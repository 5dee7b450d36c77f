//! Ways out for pods that come back onto a cordoned node.

use serde_json::{Value, json};

use super::{containers::put_back, kubectl, whole};
use crate::{
    diagnose::scene::Scene,
    domain::{
        Command, Object, Owner, Pod, PodRef, Remedy, Taint, TaintEffect, Toleration, TolerationOperator, Workload,
        quoted,
    },
};

pub(in crate::diagnose) fn lands_back(scene: &Scene<'_>, pod: &Pod, object: &Object) -> Vec<Remedy> {
    let ns = &pod.id.namespace;
    let Object::Workload { owner, .. } = object else {
        return vec![who_makes(&pod.id)];
    };
    let look = Remedy::look("where it gets its tolerations from", vec![kubectl(ns, &format!("get {owner} -o yaml"))]);
    let Some(workload) = scene.workload(pod) else { return vec![look] };
    let keep_off = keep_off(ns, owner, workload);
    let stop = workload.replicas.map(|replicas| {
        let scale = |replicas: u32| vec![kubectl(ns, &format!("scale {owner} --replicas={replicas}"))];
        Remedy::fix("stop it while the node is replaced", scale(0), "an outage of it").back(scale(replicas))
    });
    std::iter::once(look).chain(keep_off).chain(stop).collect()
}

/// Who to ask about a pod that names no workload.
pub(in crate::diagnose) fn who_makes(pod: &PodRef) -> Remedy {
    Remedy::look("who makes it: metadata.ownerReferences", vec![whole(pod)])
}

/// The tolerations taken out of its template that let it onto a cordoned node, and no others, if they are there as they
/// were seen.
fn keep_off(namespace: &str, owner: &Owner, workload: &Workload) -> Option<Remedy> {
    const PATH: &str = "/spec/template/spec/tolerations";
    let all = workload.template["tolerations"].as_array()?;
    let guilty: Vec<_> = all.iter().enumerate().filter(|(_, toleration)| tolerates_cordon(toleration)).collect();
    if guilty.is_empty() {
        return None;
    }
    let patch = |operations: Vec<Value>| -> Command {
        let patch = quoted(&Value::Array(operations).to_string());
        kubectl(namespace, &format!("patch {owner} --type=json -p {patch}"))
    };
    // Without any the field is gone, and nothing could be put back into it.
    let (run, back) = if guilty.len() == all.len() {
        let test = json!({ "op": "test", "path": PATH, "value": all });
        (
            patch(vec![test, json!({ "op": "remove", "path": PATH })]),
            patch(vec![json!({ "op": "add", "path": PATH, "value": all })]),
        )
    } else {
        let at = |index: usize| format!("{PATH}/{index}");
        // From the last to the first, so that none moves before its turn.
        let take = guilty.iter().rev().flat_map(|(index, toleration)| {
            [
                json!({ "op": "test", "path": at(*index), "value": toleration }),
                json!({ "op": "remove", "path": at(*index) }),
            ]
        });
        let put =
            guilty.iter().map(|(index, toleration)| json!({ "op": "add", "path": at(*index), "value": toleration }));
        (patch(take.collect()), patch(put.collect()))
    };
    let risk = format!("rolls its pods, on other nodes too{}", put_back(workload));
    Some(Remedy::fix("take that toleration out of its template", vec![run], risk).back(vec![back]))
}

/// Whether a toleration of a template lets pods onto a cordoned node.
fn tolerates_cordon(toleration: &Value) -> bool {
    let text = |field: &str| toleration[field].as_str().filter(|text| !text.is_empty());
    let effect = match text("effect") {
        None => None,
        Some("NoSchedule") => Some(TaintEffect::NoSchedule),
        Some("PreferNoSchedule") => Some(TaintEffect::PreferNoSchedule),
        // Whatever else there may be one day: it is not the cordon's.
        Some(_) => Some(TaintEffect::NoExecute),
    };
    let operator =
        if text("operator") == Some("Exists") { TolerationOperator::Exists } else { TolerationOperator::Equal };
    let toleration = Toleration {
        key: text("key").map(str::to_owned),
        operator,
        value: text("value").unwrap_or_default().to_owned(),
        effect,
    };
    toleration.tolerates(&Taint::cordon())
}
