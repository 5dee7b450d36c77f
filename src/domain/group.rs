//! The node group as AWS sees it: its size, its instances, what it would launch now.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AsgName, ClusterName, InstanceId, IntOrPercent, NodegroupName, Zone};

/// An Auto Scaling group, and the managed node group it belongs to if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The Auto Scaling group's name.
    pub asg: AsgName,
    /// When this was read; a decision about a lost answer needs a reading that is younger than the loss.
    pub observed_at: Timestamp,
    /// Minimum, desired and maximum size.
    pub size: Size,
    /// What those sizes count.
    pub counts: Counts,
    /// What it would launch now.
    pub target: LaunchTarget,
    /// Its instances.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Processes that are suspended.
    pub suspended: BTreeSet<Process>,
    /// The service principal that alone may change the group, where there is one.
    pub operator: Option<String>,
    /// The status of an instance refresh that is under way.
    pub instance_refresh: Option<String>,
    /// The zones it may launch in.
    pub zones: BTreeSet<Zone>,
    /// The newest scaling activities first, of the last hours; refreshed while somebody waits for a launch.
    pub activities: Vec<ScalingActivity>,
    /// The managed node group; none when the group is self-managed.
    pub nodegroup: Option<Nodegroup>,
}

/// Sizes of an Auto Scaling group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Never fewer.
    pub min: u32,
    /// What it strives for.
    pub desired: u32,
    /// Never more.
    pub max: u32,
}

/// What the sizes of an Auto Scaling group count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counts {
    /// Instances.
    Instances,
    /// Weights: an instance of a type counts as many as its mixed-instances policy says, `m6i.2xlarge counts 2`.
    Weights(Vec<String>),
    /// What instances bring along: `vcpu`, `memory-mib`.
    Units(String),
}

/// A launch template at a version, the version as a number in text (`$Latest` and `$Default` are resolved).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// `lt-…`
    pub id: String,
    /// The version.
    pub version: String,
}

/// What the group would launch now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTarget {
    /// The group's own template; none when it uses a launch configuration.
    pub template: Option<LaunchTemplate>,
    /// Templates that a mixed-instances policy sets for single instance types.
    pub overrides: BTreeMap<String, LaunchTemplate>,
    /// What the group says when that is not a number: `$Latest`, `$Default`.
    pub alias: Option<String>,
}

impl LaunchTarget {
    /// The template that an instance of this type would be launched from.
    #[must_use]
    pub fn for_type(&self, instance_type: &str) -> Option<&LaunchTemplate> {
        self.overrides.get(instance_type).or(self.template.as_ref())
    }
}

/// An instance of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `i-…`
    pub id: InstanceId,
    /// Where it runs.
    pub zone: Zone,
    /// Where in its life it is.
    pub lifecycle: Lifecycle,
    /// Auto Scaling's opinion of its health.
    pub healthy: bool,
    /// What it was launched from; none when that was a launch configuration or is gone.
    pub template: Option<LaunchTemplate>,
    /// `m6i.large`
    pub instance_type: String,
    /// Protected from scale-in (which does not protect it from a terminate call).
    pub protected: bool,
    /// True once a look through *all* nodes of the cluster found none of this instance: it may then be
    /// terminated without a drain. False means nobody looked, or a node was found.
    pub no_node: bool,
}

/// `LifecycleState` of an instance, folded to what a rollout asks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifecycle {
    /// `Pending`, `Pending:Wait`, `Pending:Proceed`: on its way in.
    Pending(String),
    /// `InService`.
    InService,
    /// `Terminating…`, `Terminated`: on its way out.
    Terminating(String),
    /// `Standby`, `Detached`, `Warmed:…`, root volume replacement: not part of the serving group.
    Apart(String),
}

impl Lifecycle {
    /// Reads the state as Auto Scaling writes it; unknown states count as apart.
    #[must_use]
    pub fn parse(state: &str) -> Self {
        match state {
            "InService" => Self::InService,
            s if s.starts_with("Pending") => Self::Pending(s.to_owned()),
            s if s.starts_with("Terminat") => Self::Terminating(s.to_owned()),
            s => Self::Apart(s.to_owned()),
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InService => f.write_str("InService"),
            Self::Pending(state) | Self::Terminating(state) | Self::Apart(state) => f.write_str(state),
        }
    }
}

/// A scaling process that can be suspended; those that a rollout asks about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Process {
    /// New instances.
    Launch,
    /// Instances leave.
    Terminate,
    /// Instances are moved so that the zones are even, ignoring every budget.
    AzRebalance,
    /// Any other, by its name.
    Other(String),
}

impl Process {
    /// Reads the name as Auto Scaling writes it.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "Launch" => Self::Launch,
            "Terminate" => Self::Terminate,
            "AZRebalance" => Self::AzRebalance,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One entry of `DescribeScalingActivities`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingActivity {
    /// Its id.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// `Successful`, `Failed`, `Cancelled`, `InProgress`, …
    pub status: String,
    /// "Launching a new EC2 instance"
    pub description: String,
    /// Why it failed, in Auto Scaling's own words.
    pub message: Option<String>,
    /// Why it was done at all: "At … an instance was started in response to …".
    #[serde(default)]
    pub cause: String,
    /// The subnet that its details name.
    #[serde(default)]
    pub subnet: Option<String>,
    /// The zone that its details name.
    #[serde(default)]
    pub zone: Option<Zone>,
}

impl ScalingActivity {
    /// Whether a launch has begun and not ended.
    #[must_use]
    pub fn is_launch_under_way(&self) -> bool {
        let ended = matches!(self.status.as_str(), "Successful" | "Failed" | "Cancelled");
        !ended && self.description.starts_with("Launching")
    }

    /// Whether it is a launch that has come to an instance, or still may.
    #[must_use]
    pub fn is_launch_that_goes_on(&self) -> bool {
        self.description.starts_with("Launching") && !self.is_failed_launch()
    }

    /// Whether an instance leaves by it.
    #[must_use]
    pub fn is_termination(&self) -> bool {
        self.description.starts_with("Terminating")
    }

    /// Whether a launch failed; the message then says why.
    #[must_use]
    pub fn is_failed_launch(&self) -> bool {
        matches!(self.status.as_str(), "Failed" | "Cancelled") && self.description.starts_with("Launching")
    }
}

/// The EKS side of a managed node group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodegroup {
    /// Its name.
    pub name: NodegroupName,
    /// Of which cluster it is: a node group has no name without it.
    pub cluster: ClusterName,
    /// Its status.
    pub status: NodegroupStatus,
    /// What EKS says is wrong with it.
    pub issues: Vec<HealthIssue>,
    /// `updateConfig.maxUnavailable` or `…Percentage`.
    pub max_unavailable: Option<IntOrPercent>,
    /// `updateConfig.updateStrategy`.
    pub strategy: UpdateStrategy,
    /// Kubernetes version, `1.33`.
    pub version: Option<String>,
    /// AMI release version, or the AMI's id for a custom one.
    pub release: Option<String>,
    /// `AL2023_x86_64_STANDARD`, `CUSTOM`, …
    pub ami_type: Option<String>,
    /// `ON_DEMAND`, `SPOT`, `CAPACITY_BLOCK`.
    pub capacity_type: Option<String>,
    /// The IAM role of its nodes, by ARN.
    #[serde(default)]
    pub role: Option<String>,
}

/// `status` of a managed node group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodegroupStatus {
    /// Nothing is under way.
    Active,
    /// EKS updates it itself.
    Updating,
    /// It has health issues.
    Degraded,
    /// `CREATING`, `DELETING`, `CREATE_FAILED`, `DELETE_FAILED`, or one we do not know.
    Other(String),
}

/// One entry of `health.issues`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthIssue {
    /// `AsgInstanceLaunchFailures`, …
    pub code: String,
    /// What EKS says about it.
    pub message: String,
    /// What it is about: ids of instances, of the group, of a template.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// `updateConfig.updateStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStrategy {
    /// New nodes first.
    #[default]
    Default,
    /// Old nodes out first: no spare capacity is asked for.
    Minimal,
}

impl Group {
    /// How many members are short of the desired size: those on their way out or apart are not counted, as Auto
    /// Scaling does not.
    #[must_use]
    pub fn missing(&self) -> u32 {
        let counted = self.instances.values().filter(|instance| match instance.lifecycle {
            Lifecycle::Pending(_) | Lifecycle::InService => true,
            Lifecycle::Terminating(_) | Lifecycle::Apart(_) => false,
        });
        self.size.desired.saturating_sub(u32::try_from(counted.count()).unwrap_or(u32::MAX))
    }

    /// Whether a member is on its way in.
    #[must_use]
    pub fn is_launching(&self) -> bool {
        let comes = |instance: &Instance| matches!(instance.lifecycle, Lifecycle::Pending(_));
        self.instances.values().any(comes) || self.activities.iter().any(ScalingActivity::is_launch_under_way)
    }

    /// The newest failed launch that began at `since` or later.
    #[must_use]
    pub fn failed_launch_since(&self, since: Timestamp) -> Option<&ScalingActivity> {
        self.activities.iter().find(|activity| activity.started_at >= since && activity.is_failed_launch())
    }
}
