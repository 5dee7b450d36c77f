//! Pods, and what is the matter with those that are not Ready.

use jiff::Timestamp;
use k8s_openapi::{api::core::v1 as core, apimachinery::pkg::apis::meta::v1::Time};

use super::tolerations;
use crate::domain::{
    Container, ContainerState, Deletion, Exit, NodeName, Owner, Pod, PodPhase, PodRef, Trouble, Uid, Unscheduled,
    no_scale_down,
};

/// Written by the kubelet on the mirror of a static pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What the API server fills in when a pod does not say.
const DEFAULT_GRACE: i64 = 30;

/// A pod.
pub(in crate::adapters::k8s) fn pod(pod: core::Pod) -> Pod {
    let meta = pod.metadata;
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let name = meta.name.unwrap_or_default();
    let phase = phase(status.phase.as_deref());
    let ready = condition(&status, "Ready");
    let is_ready = ready.is_some_and(|condition| condition.status == "True");
    let finished = matches!(phase, PodPhase::Succeeded | PodPhase::Failed);
    let owner = meta.owner_references.into_iter().flatten().find(|owner| owner.controller == Some(true));
    Pod {
        node: spec.node_name.as_deref().filter(|node| !node.is_empty()).map(NodeName::new),
        owner: owner.map(|owner| Owner { kind: owner.kind, name: owner.name }),
        phase,
        ready: is_ready,
        ready_since: ready.and_then(|condition| condition.last_transition_time.as_ref()).map(|Time(at)| *at),
        created_at: meta.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |Time(at)| at),
        deletion: meta.deletion_timestamp.map(|Time(due)| Deletion {
            due,
            grace_seconds: seconds(meta.deletion_grace_period_seconds.unwrap_or_default()),
        }),
        no_scale_down: meta.annotations.as_ref().and_then(no_scale_down),
        mirror: meta.annotations.is_some_and(|annotations| annotations.contains_key(MIRROR)),
        labels: meta.labels.unwrap_or_default(),
        grace_seconds: seconds(spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE)),
        finalizers: meta.finalizers.unwrap_or_default(),
        local_data: spec.volumes.iter().flatten().any(is_on_disk),
        claims: spec.volumes.iter().flatten().filter_map(|volume| claim(&name, volume)).collect(),
        trouble: if is_ready || finished {
            None
        } else {
            trouble(&status, spec.scheduling_gates.as_deref().unwrap_or_default())
        },
        tolerations: tolerations(spec.tolerations),
        id: PodRef { namespace: meta.namespace.unwrap_or_default(), name, uid: Uid::new(meta.uid.unwrap_or_default()) },
    }
}

fn phase(name: Option<&str>) -> PodPhase {
    match name {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        _ => PodPhase::Pending,
    }
}

fn condition<'a>(status: &'a core::PodStatus, kind: &str) -> Option<&'a core::PodCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

fn seconds(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

/// An emptyDir in memory holds nothing that anybody hopes to find again.
fn is_on_disk(volume: &core::Volume) -> bool {
    volume.empty_dir.as_ref().is_some_and(|dir| dir.medium.as_deref() != Some("Memory"))
}

/// A volume's claim: named by the pod, or made for it under the pod's name.
fn claim(pod: &str, volume: &core::Volume) -> Option<String> {
    match &volume.persistent_volume_claim {
        Some(claim) => Some(claim.claim_name.clone()),
        None => volume.ephemeral.as_ref().map(|_| format!("{pod}-{}", volume.name)),
    }
}

/// What is the matter with a pod that is not Ready; none where its status says nothing of it.
fn trouble(status: &core::PodStatus, gates: &[core::PodSchedulingGate]) -> Option<Box<Trouble>> {
    let unscheduled = condition(status, "PodScheduled").filter(|condition| condition.status == "False");
    let init = status.init_container_statuses.iter().flatten().map(|status| container(status, true));
    let others = status.container_statuses.iter().flatten().map(|status| container(status, false));
    let trouble = Trouble {
        unscheduled: unscheduled.map(|condition| Unscheduled {
            reason: condition.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned()),
            message: condition.message.clone(),
        }),
        // Init containers first: until they are through, the others only wait for them.
        containers: init.chain(others).flatten().collect(),
        message: status.message.clone(),
        not_ready: condition(status, "Ready")
            .filter(|ready| ready.status == "False")
            .and_then(|ready| ready.message.clone()),
        gates: gates.iter().map(|gate| gate.name.clone()).collect(),
    };
    (!trouble.to_string().is_empty()).then(|| Box::new(trouble))
}

/// A container, unless the kubelet has not said anything of it yet.
fn container(status: &core::ContainerStatus, init: bool) -> Option<Container> {
    let state = status.state.as_ref()?;
    Some(Container {
        name: status.name.clone(),
        image: status.image.clone(),
        init,
        state: match (&state.waiting, &state.terminated) {
            (Some(waiting), _) => ContainerState::Waiting {
                reason: waiting.reason.clone().unwrap_or_else(|| "Waiting".to_owned()),
                message: waiting.message.clone(),
            },
            (None, Some(terminated)) => ContainerState::Ended(exit(terminated)),
            (None, None) => ContainerState::Running,
        },
        ended_before: status.last_state.as_ref().and_then(|state| state.terminated.as_ref()).map(exit),
        restarts: status.restart_count,
        ready: status.ready,
    })
}

fn exit(terminated: &core::ContainerStateTerminated) -> Exit {
    Exit {
        code: terminated.exit_code,
        reason: terminated.reason.clone(),
        message: terminated.message.clone(),
        at: terminated.finished_at.as_ref().map(|Time(at)| *at),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "json! reads best in place")]
    fn with_status(status: Value) -> Pod {
        let value = json!({ "metadata": { "namespace": "shop", "name": "cart-1", "uid": "u1" }, "status": status });
        pod(serde_json::from_value(value).unwrap())
    }

    #[expect(clippy::needless_pass_by_value, reason = "json! reads best in place")]
    fn container(state: Value, last: Value, restarts: i32) -> Value {
        json!({ "name": "app", "image": "shop/cart:2", "imageID": "", "ready": false, "restartCount": restarts,
            "state": state, "lastState": last })
    }

    fn said(pod: &Pod) -> Option<String> {
        pod.trouble.as_ref().map(ToString::to_string)
    }

    #[test]
    fn a_crash_is_told_with_its_exit_and_restarts() {
        let pod = with_status(json!({ "phase": "Running", "containerStatuses": [container(
            json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
            json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } }),
            9,
        )] }));
        assert_eq!(said(&pod).as_deref(), Some("CrashLoopBackOff, exit 137 OOMKilled, 9 restarts"));
    }

    #[test]
    fn a_crash_is_told_before_a_container_that_starts() {
        let pod = with_status(json!({ "phase": "Pending", "containerStatuses": [
            container(json!({ "waiting": { "reason": "ContainerCreating" } }), json!({}), 0),
            container(json!({ "terminated": { "exitCode": 1, "reason": "Error" } }), json!({}), 1),
        ] }));
        assert_eq!(said(&pod).as_deref(), Some("exit 1, 1 restart"));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let pod = with_status(json!({ "phase": "Pending", "containerStatuses": [
            container(json!({ "waiting": { "reason": "ImagePullBackOff" } }), json!({}), 0),
        ] }));
        assert_eq!(said(&pod).as_deref(), Some("ImagePullBackOff, shop/cart:2"));
    }

    #[test]
    fn the_scheduler_says_why_a_pod_has_no_node() {
        let pod = with_status(json!({ "phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
        }] }));
        assert_eq!(said(&pod).as_deref(), Some("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."));
        assert_eq!(pod.node, None);
    }

    #[test]
    fn a_pod_that_runs_and_is_not_ready_says_so_and_a_ready_one_is_fine() {
        let running = container(json!({ "running": {} }), json!({}), 0);
        let pod = with_status(json!({ "phase": "Running", "containerStatuses": [running] }));
        assert_eq!(said(&pod).as_deref(), Some("container app runs and is not Ready"));
        let pod = with_status(json!({ "phase": "Running", "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ] }));
        assert!(pod.ready && pod.trouble.is_none());
        assert_eq!(pod.ready_since, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn owner_volumes_and_deletion_are_read() {
        let pod = pod(serde_json::from_value(json!({
            "metadata": {
                "namespace": "shop", "name": "db-0", "uid": "u1",
                "annotations": { "kubernetes.io/config.mirror": "x" },
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "a" },
                    { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "b", "controller": true },
                ],
                "deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30,
                "finalizers": ["example.com/hold"],
            },
            "spec": { "containers": [], "nodeName": "n1", "volumes": [
                { "name": "data", "persistentVolumeClaim": { "claimName": "data-db-0" } },
                { "name": "scratch", "ephemeral": { "volumeClaimTemplate": { "spec": {} } } },
                { "name": "shm", "emptyDir": { "medium": "Memory" } },
            ] },
        }))
        .unwrap());
        assert_eq!(pod.owner.as_ref().map(|owner| owner.kind.as_str()), Some("StatefulSet"));
        assert!(pod.mirror && !pod.local_data);
        assert_eq!(pod.claims, ["data-db-0", "db-0-scratch"]);
        assert_eq!(pod.deletion.map(|deletion| deletion.grace_seconds), Some(30));
        assert_eq!(pod.grace_seconds, 30);
    }
}
