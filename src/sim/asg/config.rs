//! What a group is made of, before anything happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::domain::{AsgName, Process, Size, Zone};

/// A group as it is when its history begins.
#[derive(Clone, Debug)]
pub struct AsgConfig {
    /// Its name.
    pub name: AsgName,
    /// Its sizes.
    pub size: Size,
    /// Its subnets; the zones are theirs.
    pub subnets: Vec<Subnet>,
    /// Launch templates by id.
    pub templates: BTreeMap<String, Template>,
    /// What it launches from.
    pub launch_from: TemplateUse,
    /// Instance types of a mixed-instances policy, first choice first; exactly one and no policy otherwise.
    pub overrides: Vec<Override>,
    /// Whether it has a mixed-instances policy.
    pub mixed: bool,
    /// Instances that are in service at the start.
    pub existing: Vec<Existing>,
    /// How long things take.
    pub delays: Delays,
    /// Lifecycle hooks.
    pub hooks: Vec<Hook>,
    /// Launches that fail.
    pub failures: Vec<LaunchFailure>,
    /// The version that instances are launched from until then, whatever the group names.
    pub stale: Option<(u32, Timestamp)>,
    /// Whether new instances are protected from scale-in.
    pub protects_new: bool,
    /// Processes that are suspended at the start.
    pub suspended: BTreeSet<Process>,
    /// The service principal that alone may change the group.
    pub operator: Option<String>,
    /// The status of an instance refresh that is under way.
    pub instance_refresh: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Where its ids come from.
    pub seed: u64,
}

/// A subnet that instances are launched in.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// `subnet-…`
    pub id: String,
    /// Its zone.
    pub zone: Zone,
    /// Addresses that are free beside those of existing instances; none counts none.
    pub free: Option<u32>,
    /// Whether others take every address that comes free, so that it never has one again.
    pub contended: bool,
}

/// A launch template with its versions.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The version that `$Default` means.
    pub default: u32,
    /// The version that `$Latest` means.
    pub latest: u32,
}

/// A launch template at a version, as a group names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateUse {
    /// `lt-…`
    pub id: String,
    /// The version.
    pub version: VersionUse,
}

/// How a group names a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionUse {
    /// By number.
    Number(u32),
    /// `$Default`
    Default,
    /// `$Latest`
    Latest,
}

/// One instance type, with its own template where the policy names one.
#[derive(Clone, Debug)]
pub struct Override {
    /// `m6i.large`
    pub instance_type: String,
    /// Its own template.
    pub template: Option<TemplateUse>,
}

/// An instance that is there at the start.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Its zone.
    pub zone: Zone,
    /// Its type.
    pub instance_type: String,
    /// What it was launched from; none was launched from something that is gone.
    pub template: Option<(String, u32)>,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// Protected from scale-in.
    pub protected: bool,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// From a difference between desired and actual size to the act.
    pub react: Duration,
    /// From `RunInstances` to a running machine.
    pub launch: Duration,
    /// From the shutdown of the machine to its end.
    pub terminate: Duration,
    /// How long zones stay uneven before AZRebalance acts.
    pub rebalance: Duration,
    /// The first wait after a failed launch; it doubles up to sixteen times of it.
    pub retry: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            react: Duration::ZERO,
            launch: Duration::from_secs(45),
            terminate: Duration::from_secs(30),
            rebalance: Duration::from_mins(2),
            retry: Duration::from_secs(20),
        }
    }
}

/// A lifecycle hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Which transition it holds.
    pub kind: HookKind,
    /// How long until the group goes on by itself.
    pub heartbeat: Duration,
    /// What it does then.
    pub default_result: HookResult,
    /// When somebody completes it; none leaves it to the heartbeat, or to `complete_lifecycle_action`.
    pub completes_after: Option<Duration>,
}

/// The transition that a hook holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// `autoscaling:EC2_INSTANCE_LAUNCHING`
    Launching,
    /// `autoscaling:EC2_INSTANCE_TERMINATING`
    Terminating,
}

/// How a hook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookResult {
    /// Go on.
    Continue,
    /// Give up: a launching instance is terminated.
    Abandon,
}

/// Launches that fail.
#[derive(Clone, Debug)]
pub struct LaunchFailure {
    /// Only in this zone.
    pub zone: Option<Zone>,
    /// Only of this type.
    pub instance_type: Option<String>,
    /// Not before.
    pub from: Timestamp,
    /// Not from here on.
    pub until: Option<Timestamp>,
    /// How many attempts are left that fail; none counts none.
    pub attempts: Option<u32>,
    /// Why.
    pub reason: FailureReason,
}

/// Why a launch fails; the words are EC2's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The zone has no more machines of this type.
    Capacity,
    /// The account may not have more vCPUs.
    VcpuLimit,
    /// The subnet has no free address.
    Addresses,
    /// Anything else, in these words.
    Other(String),
}

impl FailureReason {
    /// What the scaling activity says.
    #[must_use]
    pub fn message(&self, instance_type: &str, zone: &Zone, subnet: &str, others: &[&str]) -> String {
        let said = match self {
            Self::Capacity => {
                let choose = match others {
                    [] => String::new(),
                    others => format!(" or choosing {}", others.join(", ")),
                };
                format!(
                    "We currently do not have sufficient {instance_type} capacity in the Availability Zone you \
                     requested ({zone}). Our system will be working on provisioning additional capacity. You can \
                     currently get {instance_type} capacity by not specifying an Availability Zone in your \
                     request{choose}."
                )
            }
            Self::VcpuLimit => "You have requested more vCPU capacity than your current vCPU limit of 64 allows for \
                 the instance bucket that the specified instance type belongs to. Please visit \
                 http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
                .to_owned(),
            Self::Addresses => format!(
                "There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances."
            ),
            Self::Other(said) => said.clone(),
        };
        format!("{said} Launching EC2 instance failed.")
    }
}
