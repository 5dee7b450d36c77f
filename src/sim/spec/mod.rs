//! Worlds as they are written down: what is there at the start, how long things take, what goes wrong.

mod check;
mod eks;
mod fault;
mod group;
mod load;
mod random;
mod size;
mod units;
mod workload;

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

pub use eks::{IssueSpec, LeftSpec, NamedNode, UpdateErrorSpec, UpdateSpec};
pub use fault::{Fault, FaultKind, Replies, Target};
pub use group::{
    AccessSpec, GroupSpec, HookSpec, InstanceTypeSpec, NodegroupSpec, StartupTaintSpec, StrategySpec, TemplateSpec,
};
pub use load::{SHOP, SpecError};
pub use random::random_spec;
pub use units::{Cpu, Memory, parse_span};
pub use workload::{
    BudgetSpec, TolerationSpec, Topology, Trouble, TroubleKind, TroubleWith, WebhookSpec, WorkloadKind, WorkloadSpec,
};

use units::span;

use crate::domain::{NodeKind, TaintEffect};

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
    /// Quotas.
    #[serde(default)]
    pub quotas: Vec<QuotaSpec>,
    /// Rights that whoever asks does not have: `create pods/eviction`, `list events`.
    #[serde(default)]
    pub denied: Vec<String>,
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

/// A `ResourceQuota` on the number of pods.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QuotaSpec {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// So many pods; what is there at the start is not asked.
    pub pods: u32,
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
            quotas: Vec::new(),
            denied: Vec::new(),
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

fn default_node_cpu() -> Cpu {
    Cpu(2000)
}

fn default_node_memory() -> Memory {
    Memory(8192)
}

fn one() -> u32 {
    1
}
