//! The group of a world: its Auto Scaling group, the node group around it, and what it launches.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{
    IssueSpec, TaintSpec, UpdateSpec,
    units::{Cpu, Memory, optional_span},
};
use crate::domain::IntOrPercent;

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
    /// Labels that somebody gave those that are there at the start, and nobody gives those that come.
    #[serde(default)]
    pub old_labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    #[serde(default)]
    pub taints: Vec<TaintSpec>,
    /// Taints that nodes begin with, beside those.
    #[serde(default)]
    pub startup_taints: Vec<StartupTaintSpec>,
    /// Extended resources of its instance types that nodes which come later do not offer.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// How the cluster knows the role of its nodes; where it does not, nodes that come later never register.
    #[serde(default)]
    pub access: AccessSpec,
    /// Whether its instances are protected from scale-in.
    #[serde(default)]
    pub protected: bool,
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
    /// What an instance of each type counts; none counts instances.
    #[serde(default)]
    pub weight: Option<u32>,
    /// Whether it has a launch configuration instead of a template.
    #[serde(default)]
    pub launch_configuration: bool,
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
    /// What EKS says is wrong with it; a degraded one without any cannot launch.
    #[serde(default)]
    pub issues: Vec<IssueSpec>,
    /// Its newest update.
    #[serde(default)]
    pub update: Option<UpdateSpec>,
    /// Whether the cluster has the role that EKS drains nodes with.
    #[serde(default = "yes")]
    pub node_manager_role: bool,
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

/// A taint that a node begins with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StartupTaintSpec {
    /// Its key: `ebs.csi.aws.com/agent-not-ready`.
    pub key: String,
    /// How long after the node is Ready its agent takes it off; none never does.
    #[serde(default, with = "optional_span")]
    pub leaves: Option<Duration>,
}

/// How a cluster knows the role of its nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessSpec {
    /// By an access entry.
    #[default]
    Entry,
    /// By `configmap/aws-auth`.
    AwsAuth,
    /// Not at all.
    None,
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
                issues: Vec::new(),
                update: None,
                node_manager_role: true,
            }),
            min: 0,
            max: None,
            instance_types: default_instance_types(),
            template: TemplateSpec::default(),
            labels: BTreeMap::new(),
            old_labels: BTreeMap::new(),
            taints: Vec::new(),
            startup_taints: Vec::new(),
            lacks: Vec::new(),
            access: AccessSpec::default(),
            protected: false,
            hooks: HookSpec::default(),
            suspended: Vec::new(),
            operator: None,
            instance_refresh: None,
            weight: None,
            launch_configuration: false,
        }
    }
}

fn yes() -> bool {
    true
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
