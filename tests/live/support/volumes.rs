//! Volumes of EBS, whose driver nobody plays but the test.

use std::time::Duration;

use serde_json::Value;

use super::workloads::{Deployment, all};
use super::{Bed, checks, eventually};

const PATIENCE: Duration = Duration::from_mins(1);

/// A volume and a claim `data` that is bound to it; it can be used in one zone only, if one is named.
pub fn volume(name: &str, zone: Option<&str>) -> String {
    let place = zone.map(|zone| {
        let demand = format!("{{key: topology.kubernetes.io/zone, operator: In, values: [{zone}]}}");
        format!("  nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{demand}]}}]}}}}\n")
    });
    let source = format!("csi: {{driver: ebs.csi.aws.com, volumeHandle: vol-{name}}}");
    all([persistent(name, "", &source) + &place.unwrap_or_default(), claim(name, "")])
}

/// A volume of a class that nobody claimed yet.
pub fn unclaimed(class: &str) -> String {
    persistent(class, class, &format!("csi: {{driver: ebs.csi.aws.com, volumeHandle: vol-{class}}}"))
}

fn persistent(name: &str, class: &str, source: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: \"{class}\"
  {source}
"
    )
}

/// The claim `data`, for a volume of this name or for any of a class.
pub fn claim(volume: &str, class: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, namespace: default}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: \"{class}\"
  volumeName: \"{volume}\"
  resources: {{requests: {{storage: 1Gi}}}}
"
    )
}

/// A class of which nothing is made by itself.
pub fn class(name: &str) -> String {
    format!(
        "{{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {{name: {name}}}, provisioner: kubernetes.io/no-provisioner}}\n"
    )
}

/// With the claim `data` mounted.
pub fn with_data(deployment: Deployment) -> Deployment {
    deployment.placed("volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]")
}

/// All that are attached, or to be.
pub fn attachments(bed: &Bed) -> Vec<Value> {
    bed.list("volumeattachments")
}

/// Whether it is of this volume at this node.
pub fn is_of(attachment: &Value, volume: &str, node: &str) -> bool {
    let spec = &attachment["spec"];
    spec["source"]["persistentVolumeName"] == volume && spec["nodeName"] == node
}

/// The attachment that the controller made.
pub fn attachment_of(bed: &Bed, volume: &str, node: &str) -> String {
    eventually(PATIENCE, &format!("{volume} is to be attached to {node}"), || {
        attachments(bed).iter().find(|it| is_of(it, volume, node)).map(checks::name)
    })
}

/// What the driver says when it is done.
pub fn is_attached(bed: &Bed, attachment: &str) {
    let attached = r#"{"status":{"attached":true}}"#;
    let it = format!("volumeattachment/{attachment}");
    bed.plane.kubectl(&["patch", &it, "--subresource=status", "--type=merge", "-p", attached]);
}
