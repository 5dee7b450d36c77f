//! Worlds as they are written down: what is there at the start, how long things take, what goes wrong.

mod check;
mod fault;
mod load;
mod random;
mod size;
mod units;
mod workload;

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

pub use fault::{Fault, FaultKind, Replies, Target};
pub use load::{SHOP, SpecError};
pub use random::random_spec;
pub use units::{Cpu, Memory, parse_span};
pub use workload::{
    BudgetSpec, TolerationSpec, Topology, Trouble, TroubleKind, TroubleWith, WebhookSpec, WorkloadKind, WorkloadSpec,
};

use units::{optional_span, span};

use crate::domain::{IntOrPercent, NodeKind, TaintEffect};

/// A world.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorldSpec {
    /// Its name.
    pub name: String,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The cluster's name.
    #[serde(default = "default_cluster")]
    pub cluster: String,
    /// The group to be upgraded.
    pub group: GroupSpec,
    /// The zones, with the group's nodes in each.
    pub zones: Vec<ZoneSpec>,
    /// Nodes that are not the group's.
    #[serde(default)]
    pub other_nodes: Vec<OtherNodesSpec>,
    /// How long things take.
    #[serde(default)]
    pub delays: DelaySpec,
    /// What runs there.
    #[serde(default)]
    pub workloads: Vec<WorkloadSpec>,
    /// Budgets that stand beside the workloads.
    #[serde(default)]
    pub budgets: Vec<BudgetSpec>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How answers go astray.
    #[serde(default)]
    pub replies: Replies,
}

/// The group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupSpec {
    /// The Auto Scaling group's name; none is made from the node group's.
    #[serde(default)]
    pub asg: Option<String>,
    /// The managed node group; none for a self-managed one.
    #[serde(default)]
    pub nodegroup: Option<NodegroupSpec>,
    /// Its minimum.
    #[serde(default)]
    pub min: u32,
    /// Its maximum; none is two more than it has nodes.
    #[serde(default)]
    pub max: Option<u32>,
    /// Its instance types, first choice first; more than one is a mixed-instances policy.
    #[serde(default = "default_instance_types")]
    pub instance_types: Vec<InstanceTypeSpec>,
    /// Its launch template.
    #[serde(default)]
    pub template: TemplateSpec,
    /// Labels of its nodes.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    #[serde(default)]
    pub taints: Vec<TaintSpec>,
    /// Lifecycle hooks.
    #[serde(default)]
    pub hooks: HookSpec,
    /// Processes that are suspended.
    #[serde(default)]
    pub suspended: Vec<String>,
    /// The service principal that alone may change it.
    #[serde(default)]
    pub operator: Option<String>,
    /// The status of an instance refresh that is under way.
    #[serde(default)]
    pub instance_refresh: Option<String>,
}

/// The EKS side of the group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodegroupSpec {
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `UPDATING`, `DEGRADED`, …
    #[serde(default = "default_status")]
    pub status: String,
    /// `updateConfig`
    #[serde(default)]
    pub max_unavailable: Option<IntOrPercent>,
    /// `updateConfig`
    #[serde(default)]
    pub strategy: StrategySpec,
    /// `ON_DEMAND`, `SPOT`, …
    #[serde(default = "default_capacity_type")]
    pub capacity_type: String,
    /// The Kubernetes version that EKS says it has, `1.33`; none is that of the new kubelet.
    #[serde(default)]
    pub version: Option<String>,
}

/// `updateStrategy`, as EKS writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StrategySpec {
    /// New nodes first.
    #[default]
    Default,
    /// Old nodes out first.
    Minimal,
}

/// The group's launch template.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TemplateSpec {
    /// `lt-…`
    pub id: String,
    /// The version that old nodes were launched from.
    pub old: u32,
    /// The version that the group launches now; `old` again where none is old.
    pub new: u32,
    /// What the group names: a number, `$Default` or `$Latest`.
    pub version: Option<String>,
    /// Kubelet of the old version.
    pub old_kubelet: String,
    /// Kubelet of the new version.
    pub new_kubelet: String,
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstanceTypeSpec {
    /// `m6i.large`
    pub name: String,
    /// Processor for pods.
    pub cpu: Cpu,
    /// Memory for pods.
    pub memory: Memory,
    /// How many pods.
    #[serde(default = "default_pods")]
    pub pods: u32,
    /// Extended resources.
    #[serde(default)]
    pub extended: BTreeMap<String, u64>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ZoneSpec {
    /// Its name.
    pub name: String,
    /// Nodes of the group there from the old template version.
    #[serde(default)]
    pub old: u32,
    /// Nodes of the group there from the new one.
    #[serde(default)]
    pub new: u32,
    /// Free addresses in its subnet; none counts none.
    #[serde(default)]
    pub free_addresses: Option<u32>,
    /// Whether others take every address that comes free.
    #[serde(default)]
    pub contended: bool,
}

/// Nodes that are not the group's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OtherNodesSpec {
    /// Whose they are.
    pub kind: NodeKind,
    /// Their zone.
    pub zone: String,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// Processor of each.
    #[serde(default = "default_node_cpu")]
    pub cpu: Cpu,
    /// Memory of each.
    #[serde(default = "default_node_memory")]
    pub memory: Memory,
    /// Their labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Their taints.
    #[serde(default)]
    pub taints: Vec<TaintSpec>,
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TaintSpec {
    /// Its key.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// Its effect.
    pub effect: TaintEffect,
}

/// Lifecycle hooks, by how long they hold an instance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HookSpec {
    /// On its way in.
    #[serde(default, with = "optional_span")]
    pub launch: Option<Duration>,
    /// On its way out.
    #[serde(default, with = "optional_span")]
    pub terminate: Option<Duration>,
}

/// How long things take.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DelaySpec {
    /// From a difference in size to a launch.
    #[serde(with = "span")]
    pub react: Duration,
    /// From a launch to a running machine.
    #[serde(with = "span")]
    pub launch: Duration,
    /// From a running machine to its Node.
    #[serde(with = "span")]
    pub join: Duration,
    /// From a Node to Ready.
    #[serde(with = "span")]
    pub node_ready: Duration,
    /// From the shutdown of a machine to its end.
    #[serde(with = "span")]
    pub terminate: Duration,
    /// From the end of a machine to the removal of its Node.
    #[serde(with = "span")]
    pub node_removal: Duration,
    /// From the last use of a volume to its detachment.
    #[serde(with = "span")]
    pub detach: Duration,
    /// From a change to the status of its budgets.
    #[serde(with = "span")]
    pub budget_lag: Duration,
    /// The first wait after a failed launch.
    #[serde(with = "span")]
    pub retry: Duration,
    /// How long zones are uneven before AZRebalance acts.
    #[serde(with = "span")]
    pub rebalance: Duration,
    /// From a kubelet's last word to condition Ready Unknown.
    #[serde(with = "span")]
    pub node_monitor: Duration,
    /// From a node that is not Ready to the eviction of its pods.
    #[serde(with = "span")]
    pub taint_eviction: Duration,
}

impl Default for DelaySpec {
    fn default() -> Self {
        Self {
            react: Duration::from_secs(1),
            launch: Duration::from_secs(45),
            join: Duration::from_secs(35),
            node_ready: Duration::from_secs(10),
            terminate: Duration::from_secs(30),
            node_removal: Duration::from_secs(2),
            detach: Duration::from_secs(4),
            budget_lag: Duration::from_millis(50),
            retry: Duration::from_secs(20),
            rebalance: Duration::from_mins(2),
            node_monitor: Duration::from_secs(40),
            taint_eviction: Duration::from_mins(5),
        }
    }
}

impl Default for TemplateSpec {
    fn default() -> Self {
        Self {
            id: "lt-0e1f2a3b4c5d6e7f8".to_owned(),
            old: 1,
            new: 2,
            version: None,
            old_kubelet: "v1.32.9-eks-113cf36".to_owned(),
            new_kubelet: "v1.33.5-eks-113cf36".to_owned(),
        }
    }
}

impl GroupSpec {
    /// A managed node group with every default.
    #[must_use]
    pub fn managed(name: &str) -> Self {
        Self {
            asg: None,
            nodegroup: Some(NodegroupSpec {
                name: name.to_owned(),
                status: default_status(),
                max_unavailable: None,
                strategy: StrategySpec::Default,
                capacity_type: default_capacity_type(),
                version: None,
            }),
            min: 0,
            max: None,
            instance_types: default_instance_types(),
            template: TemplateSpec::default(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            hooks: HookSpec::default(),
            suspended: Vec::new(),
            operator: None,
            instance_refresh: None,
        }
    }
}

impl WorldSpec {
    /// A world with these nodes of the old version in each zone, and nothing in it.
    #[must_use]
    pub fn with_old_nodes(zones: &[(&str, u32)]) -> Self {
        let zone = |(name, old): &(&str, u32)| ZoneSpec {
            name: (*name).to_owned(),
            old: *old,
            new: 0,
            free_addresses: None,
            contended: false,
        };
        Self {
            name: "world".to_owned(),
            description: String::new(),
            cluster: default_cluster(),
            group: GroupSpec::managed("workers"),
            zones: zones.iter().map(zone).collect(),
            other_nodes: Vec::new(),
            delays: DelaySpec::default(),
            workloads: Vec::new(),
            budgets: Vec::new(),
            faults: Vec::new(),
            replies: Replies::default(),
        }
    }

    /// How many nodes the group has.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.zones.iter().map(|zone| zone.old + zone.new).sum()
    }
}

fn default_cluster() -> String {
    "sandbox".to_owned()
}

fn default_status() -> String {
    "ACTIVE".to_owned()
}

fn default_capacity_type() -> String {
    "ON_DEMAND".to_owned()
}

fn default_instance_types() -> Vec<InstanceTypeSpec> {
    vec![InstanceTypeSpec {
        name: "m6i.large".to_owned(),
        cpu: Cpu(1930),
        memory: Memory(7300),
        pods: default_pods(),
        extended: BTreeMap::new(),
    }]
}

fn default_pods() -> u32 {
    29
}

fn default_node_cpu() -> Cpu {
    Cpu(2000)
}

fn default_node_memory() -> Memory {
    Memory(8192)
}

fn one() -> u32 {
    1
}
