//! What speaks against a run before anything is touched.

use std::fmt;

use crate::domain::{Cause, Counts, Group, NodegroupStatus, Policy, Process, Snapshot};

/// A reason to refuse a run of this group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// EKS updates the node group itself.
    Updating,
    /// The node group is being created or deleted, or that failed.
    NotActive(String),
    /// These processes are suspended, so that nothing would launch or terminate.
    Suspended(Vec<&'static str>),
    /// An instance refresh replaces nodes at the same time.
    InstanceRefresh(String),
    /// Only this service principal may change the group.
    Operator(String),
    /// The group uses a launch configuration: which instances are old cannot be told.
    NoLaunchTemplate,
    /// Its sizes count something else than instances: one more or less is then not one node more or less.
    NotInstances(String),
    /// `--node` names nodes that are not the group's.
    NoSuchNodes(Vec<String>),
}

/// Everything that speaks against a run, in a fixed order.
#[must_use]
pub fn objections(snapshot: &Snapshot, policy: &Policy) -> Vec<Objection> {
    let Some(group) = snapshot.group() else { return Vec::new() };
    let mut found = busy(group);
    if group.target.template.is_none() && group.target.overrides.is_empty() && !policy.all_nodes {
        found.push(Objection::NoLaunchTemplate);
    }
    match &group.counts {
        Counts::Instances => {}
        Counts::Weights(weights) => found.push(Objection::NotInstances(weights.join(", "))),
        Counts::Units(units) => found.push(Objection::NotInstances(format!("it counts {units}"))),
    }
    let unknown: Vec<_> = policy
        .only
        .iter()
        .filter(|name| {
            !snapshot.node(name).and_then(|n| n.instance.as_ref()).is_some_and(|i| group.instances.contains_key(i))
        })
        .map(ToString::to_string)
        .collect();
    if !unknown.is_empty() {
        found.push(Objection::NoSuchNodes(unknown));
    }
    found
}

/// What the group itself is busy with, or forbidden: it may begin in the middle of a run too.
#[must_use]
pub fn busy(group: &Group) -> Vec<Objection> {
    let mut found = Vec::new();
    match group.nodegroup.as_ref().map(|nodegroup| &nodegroup.status) {
        Some(NodegroupStatus::Updating) => found.push(Objection::Updating),
        Some(NodegroupStatus::Other(status)) => found.push(Objection::NotActive(status.clone())),
        Some(NodegroupStatus::Active | NodegroupStatus::Degraded) | None => {}
    }
    let suspended = suspended(group);
    if !suspended.is_empty() {
        found.push(Objection::Suspended(suspended));
    }
    found.extend(group.instance_refresh.clone().map(Objection::InstanceRefresh));
    found.extend(group.operator.clone().map(Objection::Operator));
    found
}

fn suspended(group: &Group) -> Vec<&'static str> {
    let named = [(Process::Launch, "Launch"), (Process::Terminate, "Terminate")];
    named.into_iter().filter(|(process, _)| group.suspended.contains(process)).map(|(_, name)| name).collect()
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Updating => f.write_str("EKS is updating this node group itself (status UPDATING)"),
            Self::NotActive(status) => write!(f, "the node group's status is {status}, not ACTIVE"),
            Self::Suspended(processes) => write!(
                f,
                "{} suspended on the Auto Scaling group, so that no node could be replaced",
                match processes.as_slice() {
                    [one] => format!("the process {one} is"),
                    several => format!("the processes {} are", several.join(" and ")),
                }
            ),
            Self::InstanceRefresh(status) => {
                write!(f, "an instance refresh of the Auto Scaling group is under way ({status})")
            }
            Self::Operator(principal) => {
                write!(f, "the Auto Scaling group is operated by {principal}, which alone may change it")
            }
            Self::NoLaunchTemplate => f.write_str(
                "the Auto Scaling group has no launch template, so that old nodes cannot be told from new ones",
            ),
            Self::NotInstances(what) => write!(
                f,
                "the Auto Scaling group's size does not count instances ({what}), so that mngup cannot tell how many \
                 nodes it would be short of"
            ),
            Self::NoSuchNodes(names) => write!(f, "not a node of this group: {}", names.join(", ")),
        }
    }
}

impl Objection {
    /// The cause that it is in the catalogue; none where it is about what was typed.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Updating => Some(Cause::GroupUpdating),
            Self::NotActive(_) => Some(Cause::GroupNotActive),
            Self::Suspended(_) => Some(Cause::GroupSuspended),
            Self::InstanceRefresh(_) => Some(Cause::GroupInstanceRefresh),
            Self::Operator(_) => Some(Cause::GroupOperated),
            Self::NoLaunchTemplate => Some(Cause::GroupNoTemplate),
            Self::NotInstances(_) => Some(Cause::GroupWeights),
            Self::NoSuchNodes(_) => None,
        }
    }

    /// What to do about it; `asg` is the Auto Scaling group's name.
    #[must_use]
    pub fn remedy(&self, asg: &str) -> String {
        match self {
            Self::Updating => "wait until EKS is done (aws eks list-updates shows it)".to_owned(),
            Self::NotActive(_) => "look at the node group's health: aws eks describe-nodegroup".to_owned(),
            Self::Suspended(processes) => format!(
                "aws autoscaling resume-processes --auto-scaling-group-name {asg} --scaling-processes {}",
                processes.join(" ")
            ),
            Self::InstanceRefresh(_) => {
                format!("aws autoscaling cancel-instance-refresh --auto-scaling-group-name {asg}")
            }
            Self::Operator(_) => "upgrade it through that service".to_owned(),
            Self::NoLaunchTemplate => {
                "give the group a launch template, or say --all-nodes to replace every node".to_owned()
            }
            Self::NotInstances(_) => format!(
                "give {asg} a size in instances: no weights in its mixed-instances policy, no DesiredCapacityType but units"
            ),
            Self::NoSuchNodes(_) => "kubectl get nodes shows the names".to_owned(),
        }
    }
}
