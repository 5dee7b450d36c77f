//! Acts: requests that change the cluster, each sent once.

use k8s_openapi::api::core::v1 as core;
use kube::{
    Resource,
    api::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions},
    core::Request,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer::{Failure, fetch, send},
    cluster::KubeCluster,
    node_cache::RawNode,
};
use crate::{
    domain::{
        CLUSTER_AUTOSCALER_SHIELD, EXCLUDE_FROM_LOAD_BALANCERS, INTENT_SCHEMA, Intent, NodeMark, NodeName, NodePatch,
        PENDING_TAINT, PodRef, TaintKey,
    },
    ports::{KubeAct, Outcome, PortError, Refusal},
};

/// Under this name our writes stand in `managedFields`.
pub(super) const MANAGER: &str = "mngup";

/// The key of the intent in its `ConfigMap`.
const INTENT_KEY: &str = "intent";

/// How often a change that stands on what was there is tried when the Node changed under it.
const NODE_ATTEMPTS: u32 = 5;

impl KubeCluster {
    pub(super) async fn perform(&self, act: &KubeAct) -> Outcome {
        let turns = match act {
            KubeAct::Evict { .. } | KubeAct::DeletePod { .. } => &self.pod_acts,
            KubeAct::SaveIntent(_) | KubeAct::ForgetIntent | KubeAct::PatchNode(..) => &self.other_acts,
        };
        let Ok(_turn) = turns.acquire().await else {
            return Outcome::Refused(Refusal::Failed { code: 0, message: "the connection is closed".to_owned() });
        };
        match act {
            KubeAct::SaveIntent(intent) => self.save_intent(intent).await,
            KubeAct::ForgetIntent => self.forget_intent().await,
            KubeAct::PatchNode(node, patch) => self.patch_node(node, patch).await,
            KubeAct::Evict { pod, grace } => self.evict(pod, *grace).await,
            KubeAct::DeletePod { pod, grace } => self.delete_pod(pod, *grace).await,
        }
    }

    async fn evict(&self, pod: &PodRef, grace: Option<u32>) -> Outcome {
        let request = Request::new(core::Pod::url_path(&(), Some(&pod.namespace)));
        // Not `Api::evict`: kube 5.0.0 sends its options under a key that the server does not know.
        let body = eviction(pod, grace).to_string().into_bytes();
        let request = request.create_subresource("eviction", &pod.name, &PostParams::default(), body);
        done(send(&self.connection.client, request).await)
    }

    async fn delete_pod(&self, pod: &PodRef, grace: Option<u32>) -> Outcome {
        let params = DeleteParams {
            grace_period_seconds: grace,
            preconditions: Some(Preconditions { uid: Some(pod.uid.to_string()), resource_version: None }),
            ..DeleteParams::default()
        };
        let request = Request::new(core::Pod::url_path(&(), Some(&pod.namespace)));
        done(send(&self.connection.client, request.delete(&pod.name, &params)).await)
    }

    async fn patch_node(&self, name: &NodeName, patch: &NodePatch) -> Outcome {
        let claims_cordon = patch.marks.contains(&NodeMark::Cordoned);
        let mut known = self.nodes.get(name);
        let mut attempt = 1;
        loop {
            let raw = match known.take() {
                _ if !claims_cordon && patch.pending_taint.is_none() => None,
                Some(raw) => Some(raw),
                None => match self.read_node(name).await {
                    Ok(node) => Some(RawNode::of(&node)),
                    Err(failure) => return failure.outcome(),
                },
            };
            if claims_cordon && raw.as_ref().is_some_and(|raw| raw.cordoned_by_others) {
                let message = format!("node/{name} was cordoned by somebody else meanwhile");
                return Outcome::Refused(Refusal::Conflict { message });
            }
            let taints = patch.pending_taint.zip(raw.as_ref());
            let taints = taints.and_then(|(wanted, raw)| with_taint(raw, PENDING_TAINT, wanted));
            let version = raw.map(|raw| raw.version).filter(|_| claims_cordon || taints.is_some());
            let body = merge_patch(patch, version.as_deref(), taints.as_deref());
            if body.is_empty() {
                return Outcome::Done;
            }
            match self.send_node_patch(name, body).await {
                // Another writer came between, most often the kubelet with its status: what they left is looked at.
                Err(failure) if failure.code() == Some(409) && version.is_some() && attempt < NODE_ATTEMPTS => {
                    attempt += 1;
                }
                answer => return done(answer),
            }
        }
    }

    async fn send_node_patch(&self, name: &NodeName, body: Map<String, Value>) -> Result<(), Failure> {
        let request = Request::new(core::Node::url_path(&(), None));
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let request = request.patch(name.as_str(), &params, &Patch::Merge(Value::Object(body)));
        let answer = send(&self.connection.client, request).await?;
        // The watch brings it too, but the next change of taints may be sent before that.
        if let Ok(node) = serde_json::from_slice::<core::Node>(&answer) {
            self.nodes.patched(name, RawNode::of(&node));
        }
        Ok(())
    }

    async fn read_node(&self, name: &NodeName) -> Result<core::Node, Failure> {
        let request = Request::new(core::Node::url_path(&(), None)).get(name.as_str(), &GetParams::default());
        fetch(&self.connection.client, request).await
    }

    async fn save_intent(&self, intent: &Intent) -> Outcome {
        let name = self.scope.object_name();
        let intent_text = match serde_json::to_string_pretty(intent) {
            Ok(text) => text,
            Err(error) => return Outcome::Refused(Refusal::Failed { code: 0, message: error.to_string() }),
        };
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "labels": { "app.kubernetes.io/managed-by": MANAGER },
                "annotations": { "mngup.dev/group": self.scope.group.to_string() },
            },
            "data": { INTENT_KEY: intent_text },
        });
        // Server-side apply creates and changes in one request, and twice is as good as once.
        let request = self.config_maps().patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object));
        match send(&self.connection.client, request).await {
            Err(failure) if failure.code() == Some(404) => Outcome::Refused(Refusal::Failed {
                code: 404,
                message: format!("namespace {} does not exist; see --state-namespace", self.scope.state_namespace),
            }),
            answer => done(answer),
        }
    }

    async fn forget_intent(&self) -> Outcome {
        let request = self.config_maps().delete(&self.scope.object_name(), &DeleteParams::default());
        match send(&self.connection.client, request).await {
            Err(failure) if failure.code() == Some(404) => Outcome::Done,
            answer => done(answer),
        }
    }

    pub(super) async fn read_intent(&self) -> Result<Option<Intent>, PortError> {
        let name = self.scope.object_name();
        let title = format!("configmap/{}/{name}", self.scope.state_namespace);
        let request = self.config_maps().get(&name, &GetParams::default());
        let map: core::ConfigMap = match fetch(&self.connection.client, request).await {
            Ok(map) => map,
            Err(failure) if failure.code() == Some(404) => return Ok(None),
            Err(failure) => return Err(failure.port(self.connection.server(), &format!("get {title}"))),
        };
        let malformed = |message| PortError::Malformed { what: title.clone(), message };
        match map.data.and_then(|mut data| data.remove(INTENT_KEY)) {
            Some(text) => parse_intent(&text).map(Some).map_err(malformed),
            None => Err(malformed(format!(
                "has no key \"{INTENT_KEY}\", so it is no run of mngup's; delete it if nobody else needs it"
            ))),
        }
    }

    fn config_maps(&self) -> Request {
        Request::new(core::ConfigMap::url_path(&(), Some(&self.scope.state_namespace)))
    }
}

fn done<T>(answer: Result<T, Failure>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(failure) => failure.outcome(),
    }
}

pub(super) fn eviction(pod: &PodRef, grace: Option<u32>) -> Value {
    let mut options = json!({ "preconditions": { "uid": pod.uid } });
    if let Some(grace) = grace {
        options["gracePeriodSeconds"] = grace.into();
    }
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": pod.name, "namespace": pod.namespace },
        "deleteOptions": options,
    })
}

/// The taints as they should be; none when they are so already.
fn with_taint(node: &RawNode, key: TaintKey, wanted: bool) -> Option<Vec<core::Taint>> {
    let has = node.taints.iter().any(|taint| taint.key == key.0);
    if has == wanted {
        return None;
    }
    let mut taints: Vec<_> = node.taints.iter().filter(|taint| taint.key != key.0).cloned().collect();
    if wanted {
        let taint = key.taint();
        let effect = taint.effect.to_string();
        taints.push(core::Taint { key: taint.key, effect, ..core::Taint::default() });
    }
    Some(taints)
}

/// The whole change as one merge patch, for the Node at this version where it stands on what was there; empty when there
/// is nothing to change.
///
/// A JSON patch could test the one field and would not meet the kubelet's writes, but needs every parent to be there,
/// fails where a label to take away is gone already, and says 422 instead of 409. The version meets a write of the
/// kubelet's seldom (one in five minutes while nothing changes), and costs one more look then.
fn merge_patch(patch: &NodePatch, version: Option<&str>, taints: Option<&[core::Taint]>) -> Map<String, Value> {
    let (mut metadata, mut spec, mut annotations) = (Map::new(), Map::new(), Map::new());
    let set = |wanted: bool| if wanted { Value::from("true") } else { Value::Null };
    if let Some(wanted) = patch.unschedulable {
        spec.insert("unschedulable".to_owned(), wanted.into());
    }
    if let Some(taints) = taints {
        spec.insert("taints".to_owned(), if taints.is_empty() { Value::Null } else { json!(taints) });
    }
    if let Some(wanted) = patch.excluded {
        metadata.insert("labels".to_owned(), json!({ EXCLUDE_FROM_LOAD_BALANCERS: set(wanted) }));
    }
    if let Some(wanted) = patch.shielded {
        annotations.insert(CLUSTER_AUTOSCALER_SHIELD.to_owned(), set(wanted));
    }
    annotations.extend(patch.unmark.iter().map(|key| (key.clone(), Value::Null)));
    annotations.extend(patch.marks.iter().map(|mark| {
        let (key, value) = mark.annotation();
        (key.to_owned(), value.into())
    }));
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), annotations.into());
    }
    if let Some(version) = version.filter(|_| !(metadata.is_empty() && spec.is_empty())) {
        metadata.insert("resourceVersion".to_owned(), version.into());
    }
    let parts = [("metadata", metadata), ("spec", spec)];
    let parts = parts.into_iter().filter(|(_, part)| !part.is_empty());
    parts.map(|(name, part)| (name.to_owned(), part.into())).collect()
}

fn parse_intent(text: &str) -> Result<Intent, String> {
    /// What every form of an intent has had and will have.
    #[derive(Deserialize)]
    struct Head {
        schema: u32,
        version: Option<String>,
    }
    let by = |version: Option<String>| version.map_or_else(|| "another mngup".to_owned(), |v| format!("mngup {v}"));
    let broken = |error: serde_json::Error| {
        format!("its key \"{INTENT_KEY}\" cannot be read ({error}); if no run needs it any more, delete the ConfigMap")
    };
    let head: Head = serde_json::from_str(text).map_err(broken)?;
    if head.schema > INTENT_SCHEMA {
        let writer = by(head.version);
        return Err(format!(
            "was written by {writer} in form {}, this mngup ({}) reads forms up to {INTENT_SCHEMA}; go on with {writer} \
             or a newer one",
            head.schema,
            env!("CARGO_PKG_VERSION"),
        ));
    }
    serde_json::from_str(text).map_err(|error| format!("written by {}: {}", by(head.version), broken(error)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::NodeMark;

    #[test]
    fn one_patch_holds_all_of_a_change() {
        let patch = NodePatch {
            unschedulable: Some(true),
            excluded: Some(true),
            shielded: Some(false),
            marks: vec![NodeMark::Cordoned],
            unmark: BTreeSet::from(["mngup.dev/shielded".to_owned()]),
            ..NodePatch::default()
        };
        let expected = json!({
            "metadata": {
                "labels": { "node.kubernetes.io/exclude-from-external-load-balancers": "true" },
                "annotations": {
                    "cluster-autoscaler.kubernetes.io/scale-down-disabled": null,
                    "mngup.dev/cordoned": "true",
                    "mngup.dev/shielded": null,
                },
            },
            "spec": { "unschedulable": true },
        });
        assert_eq!(Value::Object(merge_patch(&patch, None, None)), expected);
        assert!(merge_patch(&NodePatch::default(), Some("7"), None).is_empty());
    }

    #[test]
    fn the_last_taint_is_taken_away_by_null() {
        let patch = NodePatch { pending_taint: Some(false), ..NodePatch::default() };
        let body = merge_patch(&patch, Some("7"), Some(&[]));
        let expected = json!({ "metadata": { "resourceVersion": "7" }, "spec": { "taints": null } });
        assert_eq!(Value::Object(body), expected);
    }
}
