//! What runs in a world: workloads, what holds them, what is wrong with them.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::units::{Cpu, Memory, optional_span, span};
use crate::domain::{IntOrPercent, TaintEffect, UnhealthyPolicy};

/// One workload.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// Its controller.
    pub kind: WorkloadKind,
    /// Its name; its pods carry the label `app` with it.
    pub name: String,
    /// Its namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// How many pods; of a DaemonSet as many as it has nodes.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Processor that each pod asks for.
    #[serde(default = "default_cpu")]
    pub cpu: Cpu,
    /// Memory that each pod asks for.
    #[serde(default = "default_memory")]
    pub memory: Memory,
    /// Extended resources that each pod asks for, such as `nvidia.com/gpu`.
    #[serde(default)]
    pub extended: BTreeMap<String, u64>,
    /// From its node to a running container.
    #[serde(default = "default_start", with = "span")]
    pub start: Duration,
    /// From a running container to Ready.
    #[serde(default = "default_ready", with = "span")]
    pub ready: Duration,
    /// From the request to leave to the end of its process, when nothing cuts it short.
    #[serde(default = "default_stop", with = "span")]
    pub stop: Duration,
    /// `terminationGracePeriodSeconds`: its process is killed after it.
    #[serde(default = "default_grace", with = "span")]
    pub grace: Duration,
    /// How long a job's pod runs until it succeeds; none runs for ever.
    #[serde(default, with = "optional_span")]
    pub runs: Option<Duration>,
    /// More labels of its pods.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations of its pods.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What the server says to its controller when it makes a pod, from the start on; nothing where it may.
    #[serde(default)]
    pub create_refused: Option<String>,
    /// What its pods put up with.
    #[serde(default)]
    pub tolerations: Vec<TolerationSpec>,
    /// Labels that a node must have: nodeSelector.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Zones that it must run in, of which one must hold: required node affinity.
    #[serde(default)]
    pub zones: Vec<String>,
    /// No two of its pods in one of these: required pod anti-affinity.
    #[serde(default)]
    pub anti_affinity: Option<Topology>,
    /// Its pods are as many in each of these, give or take one: a topology spread that is required.
    #[serde(default)]
    pub spread: Option<Topology>,
    /// Its pods take a port of their node, so that no two of them can be on one.
    #[serde(default)]
    pub host_port: bool,
    /// Each pod has a volume that cannot leave its zone.
    #[serde(default)]
    pub zonal_volume: bool,
    /// Each pod has an emptyDir.
    #[serde(default)]
    pub local_data: bool,
    /// Finalizers that nobody takes away.
    #[serde(default)]
    pub finalizers: Vec<String>,
    /// Budgets over its pods.
    #[serde(default)]
    pub budgets: Vec<BudgetSpec>,
    /// What is wrong with its pods.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Which revision of its template runs: from the second on there is a former one to go back to.
    #[serde(default = "first_revision")]
    pub revision: u64,
    /// An admission webhook that denies their eviction.
    #[serde(default)]
    pub webhook: Option<WebhookSpec>,
    /// What the server says to their eviction with a 500, in words that nobody foresaw.
    #[serde(default)]
    pub refused: Option<String>,
    /// Whether the server has too much to do for their evictions, for good: a 429 that is no budget's.
    #[serde(default)]
    pub put_off: bool,
}

/// Which controller makes the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum WorkloadKind {
    /// A Deployment with one ReplicaSet.
    Deployment,
    /// Pods by ordinal, one after the other, under the same name again.
    StatefulSet,
    /// One pod on every node that it wants.
    DaemonSet,
    /// Pods that run to their end.
    Job,
    /// Pods without a controller.
    Pod,
}

impl WorkloadKind {
    /// The kind that its pods name as their owner; none for bare pods.
    #[must_use]
    pub fn owner(self) -> Option<&'static str> {
        match self {
            Self::Deployment => Some("ReplicaSet"),
            Self::StatefulSet => Some("StatefulSet"),
            Self::DaemonSet => Some("DaemonSet"),
            Self::Job => Some("Job"),
            Self::Pod => None,
        }
    }
}

/// Where no two pods of a workload may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// `kubernetes.io/hostname`
    Hostname,
    /// `topology.kubernetes.io/zone`
    Zone,
}

/// A toleration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TolerationSpec {
    /// The taint's key; none tolerates every key.
    #[serde(default)]
    pub key: Option<String>,
    /// The taint's value; none tolerates every value.
    #[serde(default)]
    pub value: Option<String>,
    /// The effect; none tolerates every effect.
    #[serde(default)]
    pub effect: Option<TaintEffect>,
}

/// A `PodDisruptionBudget`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BudgetSpec {
    /// Its name; none takes the workload's.
    #[serde(default)]
    pub name: Option<String>,
    /// Its namespace; only needed for a budget that stands beside the workloads.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Labels of the pods that it counts; none takes the workload's own pods.
    #[serde(default)]
    pub selector: Option<BTreeMap<String, String>>,
    /// So many must stay available.
    #[serde(default)]
    pub min_available: Option<IntOrPercent>,
    /// So many may be out.
    #[serde(default)]
    pub max_unavailable: Option<IntOrPercent>,
    /// Whether pods that are not Ready may always leave.
    #[serde(default)]
    pub unhealthy: UnhealthyPolicy,
}

/// What is wrong with pods of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// With which of them.
    #[serde(default)]
    pub with: TroubleWith,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// It runs and never becomes Ready.
    NeverReady,
    /// Its process ends again and again.
    CrashLoop,
    /// Its image cannot be had.
    ImagePull,
    /// It names a Secret that does not exist.
    ConfigMissing,
    /// Its init container ends again and again.
    InitFails,
    /// The network plugin has no address for it.
    NoAddress,
    /// Its sandbox cannot be made.
    Sandbox,
    /// It runs, and a readiness gate stays shut.
    Gate,
    /// It does not go when it is told to, whatever its grace period says.
    StuckTerminating,
    /// It has a scheduling gate that nobody takes away.
    SchedulingGated,
    /// It names a scheduler that does not run.
    NoScheduler,
    /// It has a claim for which nobody makes a volume.
    UnboundClaim,
}

/// Which pods of a workload are in trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleWith {
    /// All of them.
    #[default]
    All,
    /// One of those that are there at the start.
    First,
    /// Those that are made later.
    New,
}

/// A webhook that says no.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WebhookSpec {
    /// Its name.
    pub name: String,
    /// What it says.
    pub message: String,
    /// Until so long after the start; none for ever.
    #[serde(default, with = "optional_span")]
    pub until: Option<Duration>,
    /// Whether nobody answers behind it, so that the server says no in its place.
    #[serde(default)]
    pub down: bool,
}

impl WorkloadSpec {
    /// The labels of its pods.
    #[must_use]
    pub fn pod_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.entry("app".to_owned()).or_insert_with(|| self.name.clone());
        labels
    }

    /// A workload of this kind with every default.
    #[must_use]
    pub fn new(kind: WorkloadKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            namespace: default_namespace(),
            replicas: 1,
            cpu: default_cpu(),
            memory: default_memory(),
            extended: BTreeMap::new(),
            start: default_start(),
            ready: default_ready(),
            stop: default_stop(),
            grace: default_grace(),
            runs: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            create_refused: None,
            tolerations: Vec::new(),
            node_selector: BTreeMap::new(),
            zones: Vec::new(),
            anti_affinity: None,
            spread: None,
            host_port: false,
            zonal_volume: false,
            local_data: false,
            finalizers: Vec::new(),
            budgets: Vec::new(),
            trouble: None,
            revision: first_revision(),
            webhook: None,
            refused: None,
            put_off: false,
        }
    }
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn one() -> u32 {
    1
}

fn first_revision() -> u64 {
    1
}

fn default_cpu() -> Cpu {
    Cpu(100)
}

fn default_memory() -> Memory {
    Memory(128)
}

fn default_start() -> Duration {
    Duration::from_secs(3)
}

fn default_ready() -> Duration {
    Duration::from_secs(7)
}

fn default_stop() -> Duration {
    Duration::from_secs(3)
}

fn default_grace() -> Duration {
    Duration::from_secs(30)
}
