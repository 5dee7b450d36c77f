//! What a kubelet says and sees, where kwok plays none: its Events, and its next try.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::workloads::OUTSIDER;
use super::{Bed, eventually};

/// The VPC CNI when a node or its subnet has no address left, as the kubelet passes it on
/// (kubernetes/kubernetes issue 131071).
pub const NO_ADDRESS: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for \
    sandbox \"40d7bc158517c6954d0e8f1ba2bbc04e376e3123ab38227d6a601b7b1bb48ccf\": plugin type=\"aws-cni\" \
    name=\"aws-cni\" failed (add): add cmd: failed to assign an IP address to container";

/// The same when its daemon does not answer (aws/amazon-vpc-cni-k8s issue 1322).
pub const NO_NETWORK: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for \
    sandbox \"9742b380336c57443151508a577ace541c2b6c44b278f73f9afc7a2c23053220\": plugin type=\"aws-cni\" \
    name=\"aws-cni\" failed (add): add cmd: Error received from AddNetwork gRPC call: rpc error: code = Unavailable desc = \
    connection error: desc = \"transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: connection refused\"";

/// A Secret that a container's environment names and that is not there (`pkg/kubelet/kuberuntime`).
pub const NO_SECRET: &str = "secret \"app\" not found";

/// A volume of a ConfigMap that is not there (`pkg/volume/util/operationexecutor`).
pub const NO_CONFIG_MAP: &str = "MountVolume.SetUp failed for volume \"config\" : configmap \"app\" not found";

/// Says it of a pod, again and again since the pod was made.
pub fn says(bed: &Bed, pod: &Value, reason: &str, message: &str) {
    let meta = &pod["metadata"];
    let name = meta["name"].as_str().expect("a name");
    let event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": format!("{name}.{}", reason.to_lowercase()), "namespace": meta["namespace"] },
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": meta["namespace"], "name": name, "uid": meta["uid"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "count": 9,
        "firstTimestamp": meta["creationTimestamp"],
        "lastTimestamp": format!("{:.0}", Timestamp::now()),
        "source": { "component": "kubelet", "host": pod["spec"]["nodeName"] },
    });
    bed.plane.apply(&event.to_string());
}

/// From now on this is so with a pod: an annotation of `tests/control-plane/stages.yaml`, with its value or nothing.
pub fn plays(bed: &Bed, pod: &Value, annotation: &str, value: &str) {
    annotate(bed, pod, &format!("mngup.test/{annotation}={value}"));
}

/// Its next try: from now on this is not so any more.
pub fn tries_again(bed: &Bed, pod: &Value, annotation: &str) {
    annotate(bed, pod, &format!("mngup.test/{annotation}-"));
}

fn annotate(bed: &Bed, pod: &Value, annotation: &str) {
    let meta = &pod["metadata"];
    let (namespace, name) = (meta["namespace"].as_str().expect("one"), meta["name"].as_str().expect("a name"));
    bed.plane.kubectl(&["-n", namespace, "annotate", "--overwrite", "pod", name, annotation]);
}

/// The pod of a workload on the node which no upgrade touches.
pub fn outside(bed: &Bed, namespace: &str, app: &str) -> Value {
    on(bed, namespace, app, OUTSIDER)
}

/// The pod of a workload on a node, once it has one there.
pub fn on(bed: &Bed, namespace: &str, app: &str, node: &str) -> Value {
    eventually(Duration::from_mins(1), &format!("{app} of namespace {namespace} has a pod on {node}"), || {
        bed.list("pods").into_iter().find(|pod| {
            let meta = &pod["metadata"];
            let its = meta["namespace"] == namespace && meta["labels"]["app"] == app;
            its && meta["deletionTimestamp"].is_null() && pod["spec"]["nodeName"] == node
        })
    })
}

/// Lets the kubelet of a node fall silent, and whatever runs there with it: somebody else has its Lease and never renews it,
/// so kwok plays it no longer.
pub fn falls_silent(bed: &Bed, node: &str) {
    let spec = json!({ "holderIdentity": "nobody", "leaseDurationSeconds": 86_400 });
    let patch = json!({ "spec": spec }).to_string();
    eventually(Duration::from_mins(1), &format!("node/{node} has a Lease"), || {
        bed.plane.kubectl_try(&["-n", "kube-node-lease", "patch", "lease", node, "--type=merge", "-p", &patch]).ok()
    });
}
