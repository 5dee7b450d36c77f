//! What a diagnosis learns beyond what is watched: read only where something stands still.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IntOrPercent, Known, NodeName, Owner, Taint, Uid, Zone};

/// A Kubernetes Event about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeEvent {
    /// `FailedScheduling`, `Unhealthy`, `FailedCreate`, …
    pub reason: String,
    /// Its sentence, without the prefix that says that several were put together.
    pub message: String,
    /// Whether its type is `Warning`.
    pub warning: bool,
    /// How often it happened.
    pub count: u32,
    /// When first.
    pub first: Option<Timestamp>,
    /// When last.
    pub last: Option<Timestamp>,
    /// Who said so: `kubelet`, `default-scheduler`.
    pub reporter: String,
    /// The uid of the object that it is about, for another may have had its name.
    pub about: Option<Uid>,
}

/// What controls pods: a Deployment, a `ReplicaSet`, a `StatefulSet`, a `DaemonSet`, a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// `spec.replicas`; none for kinds that have none.
    pub replicas: Option<u32>,
    /// Pods that there are: `status.replicas`.
    pub current: u32,
    /// Pods that are Ready.
    pub ready: u32,
    /// How its pods are exchanged when its template changes.
    pub strategy: Strategy,
    /// How many of a Deployment's pods may be out while they are exchanged one after the other: `maxUnavailable`.
    pub may_be_out: Option<IntOrPercent>,
    /// Its revision, where it keeps count: going back is possible from the second on.
    pub revision: Option<u64>,
    /// Its own controller, as for a `ReplicaSet` of a Deployment or a `StatefulSet` of an operator.
    pub owner: Option<Owner>,
    /// Who says that it writes this object: `app.kubernetes.io/managed-by`, or the annotation of a GitOps tool.
    pub managed_by: Option<String>,
    /// `spec.template.spec`, as it is; null for kinds without one.
    pub template: serde_json::Value,
}

/// How a workload exchanges its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// New pods come before old ones go.
    Surges,
    /// Old pods go before new ones come, a few at a time.
    Rolls,
    /// All old pods go before new ones come.
    Recreates,
    /// Whoever deletes a pod gets a new one.
    OnDelete,
    /// It exchanges none.
    Never,
}

/// A node of the cluster, the group's or another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterNode {
    /// Its name.
    pub name: NodeName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints, those of conditions too.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// Whether it is Ready.
    pub ready: bool,
    /// What it offers to pods: `cpu` in thousandths, the others in whole units.
    pub allocatable: BTreeMap<String, i64>,
}

/// A `PersistentVolumeClaim` and the volume behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `Bound`, `Pending`, `Lost`.
    pub phase: String,
    /// Its `PersistentVolume`.
    pub volume: Option<String>,
    /// Its storage class.
    pub class: Option<String>,
    /// Whether such a class exists; none when that was not told.
    pub class_exists: Option<bool>,
    /// The zones that its volume can be used in; empty where that is any.
    pub zones: Vec<Zone>,
    /// Nodes that its volume can be used on alone, by their host names; empty where that is any.
    pub hosts: Vec<String>,
}

/// A `VolumeAttachment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// The `PersistentVolume` that it attaches.
    pub volume: String,
    /// To which node.
    pub node: NodeName,
    /// Whether it is attached.
    pub attached: bool,
    /// Since when it is to be detached.
    pub deleting_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What the attacher said last of what it could not do.
    pub error: Option<String>,
}

/// A `ResourceQuota`: how much of each thing may be, and how much is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// `spec.hard`
    pub hard: BTreeMap<String, String>,
    /// `status.used`
    pub used: BTreeMap<String, String>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Since when it is being deleted.
    pub deleting_since: Option<Timestamp>,
    /// What keeps it, in the words of its conditions.
    pub remains: Vec<String>,
}

/// A webhook that the API server asks about evictions, or may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The configuration that it stands in, as kubectl takes it: `validatingwebhookconfiguration/guard`.
    pub config: String,
    /// Where it stands there.
    pub index: usize,
    /// Its name, which refusals quote.
    pub name: String,
    /// Whether nothing passes while it does not answer: `failurePolicy: Fail`.
    pub fails_closed: bool,
    /// The service behind it, as namespace and name; none where it has a URL.
    pub service: Option<(String, String)>,
    /// Its URL, where it has one.
    pub url: Option<String>,
    /// `namespaceSelector`, as it is.
    pub namespaces: serde_json::Value,
}

/// What the role says that EKS's own updates act with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeManagerRole {
    /// Whether `clusterrole/eks:node-manager` exists and lets its holder evict pods.
    pub role: bool,
    /// Whether `clusterrolebinding/eks:node-manager` exists and gives it to that user.
    pub binding: bool,
}

/// A lifecycle hook of an Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleHook {
    /// Its name.
    pub name: String,
    /// Whether it holds launches; else terminations.
    pub at_launch: bool,
    /// How long it may hold without a sign of life.
    pub heartbeat_seconds: u32,
    /// What happens then: `CONTINUE`, `ABANDON`.
    pub default_result: String,
    /// Who is told of it, by ARN.
    pub notifies: Option<String>,
}

/// A subnet that the group may launch in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// `subnet-…`
    pub id: String,
    /// Its zone.
    pub zone: Zone,
    /// `AvailableIpAddressCount`
    pub free: u32,
    /// Its address range.
    pub cidr: String,
}

/// An update of a managed node group, as EKS keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EksUpdate {
    /// Its id.
    pub id: String,
    /// `InProgress`, `Failed`, `Cancelled`, `Successful`.
    pub status: String,
    /// `VersionUpdate`, `ConfigUpdate`.
    pub kind: String,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// What was asked for: `ReleaseVersion`, `DesiredSize`, ….
    pub params: BTreeMap<String, String>,
    /// What went wrong.
    pub errors: Vec<UpdateError>,
}

/// One error of such an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateError {
    /// `PodEvictionFailure`, …
    pub code: String,
    /// EKS's sentence.
    pub message: String,
    /// What it happened to: node names, instance ids.
    pub resources: Vec<String>,
}

/// Who has an access entry of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntries {
    /// Whether the cluster goes by them.
    pub mode: AccessMode,
    /// Principals, by ARN. To list them is a right of its own.
    pub principals: Known<Vec<String>>,
}

/// `accessConfig.authenticationMode`: by which lists a cluster lets a role in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessMode {
    /// `API`: access entries alone.
    Entries,
    /// `CONFIG_MAP`: `aws-auth` alone.
    Map,
    /// `API_AND_CONFIG_MAP`, or one that is not told.
    Both,
}
