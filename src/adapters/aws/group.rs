//! Which Auto Scaling group the user means, and whether it is this cluster's.

use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter};
use aws_sdk_eks::types::Nodegroup;

use super::{actions, cluster::nearest, session::Session};
use crate::{
    domain::{AsgName, ClusterName, GroupName, InstanceId, NodegroupName},
    ports::PortError,
};

const NODEGROUP_TAG: &str = "eks:nodegroup-name";

/// A group that was found.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The Auto Scaling group.
    pub(super) asg: AsgName,
    /// The managed node group above it.
    pub(super) nodegroup: Option<NodegroupName>,
}

/// Finds it.
pub(super) async fn resolve(
    session: &Session,
    cluster: &ClusterName,
    group: &GroupName,
) -> Result<Resolved, PortError> {
    match group {
        GroupName::Nodegroup(name) => {
            let nodegroup = describe_nodegroup(session, cluster, name).await?;
            Ok(Resolved { asg: asg_of(&nodegroup, group)?, nodegroup: Some(name.clone()) })
        }
        GroupName::Asg(name) => {
            let described = match describe_asg(session, name).await {
                Err(PortError::NotFound { what, .. }) => {
                    let others = nearest(name.as_str(), self_managed(session, cluster).await);
                    return Err(PortError::NotFound { what, others });
                }
                described => described?,
            };
            check_owner(&described, cluster, group)?;
            Ok(Resolved { asg: name.clone(), nodegroup: None })
        }
    }
}

/// Reads a managed node group; an unknown one is answered with the names that there are.
pub(super) async fn describe_nodegroup(
    session: &Session,
    cluster: &ClusterName,
    name: &NodegroupName,
) -> Result<Nodegroup, PortError> {
    let object = format!("nodegroup/{name} of cluster/{cluster}");
    let request = session.eks().describe_nodegroup().cluster_name(cluster.as_str()).nodegroup_name(name.as_str());
    match request.send().await {
        Ok(answer) => answer
            .nodegroup
            .ok_or_else(|| PortError::Malformed { what: object, message: "EKS describes it as nothing".to_owned() }),
        Err(error) => {
            let failure = session.failed(actions::DESCRIBE_NODEGROUP, &object, &error);
            if failure.code() == Some("ResourceNotFoundException") {
                let others = nearest(name.as_str(), nodegroups(session, cluster).await);
                return Err(PortError::NotFound { what: object, others });
            }
            Err(failure.into_port())
        }
    }
}

/// Reads an Auto Scaling group; Auto Scaling answers an unknown name with an empty list.
pub(super) async fn describe_asg(session: &Session, name: &AsgName) -> Result<AutoScalingGroup, PortError> {
    let object = format!("asg/{name}");
    let request = session.autoscaling().describe_auto_scaling_groups().auto_scaling_group_names(name.as_str());
    let answer =
        request.send().await.map_err(|error| session.failed(actions::DESCRIBE_GROUPS, &object, &error).into_port())?;
    let mut groups = answer.auto_scaling_groups.unwrap_or_default();
    match groups.pop() {
        Some(group) => Ok(group),
        None => Err(PortError::NotFound { what: format!("{object} in {}", session.region()), others: Vec::new() }),
    }
}

/// The Auto Scaling group of an instance, if it is in one.
pub(super) async fn group_of(session: &Session, instance: &InstanceId) -> Result<Option<AsgName>, PortError> {
    let object = format!("instance/{instance}");
    let request = session.autoscaling().describe_auto_scaling_instances().instance_ids(instance.as_str());
    let answer = request.send().await;
    let answer = answer.map_err(|error| session.failed(actions::DESCRIBE_INSTANCES, &object, &error).into_port())?;
    let known = answer.auto_scaling_instances.unwrap_or_default();
    Ok(known.into_iter().find_map(|instance| instance.auto_scaling_group_name).map(AsgName::new))
}

async fn nodegroups(session: &Session, cluster: &ClusterName) -> Vec<String> {
    let mut pages = session.eks().list_nodegroups().cluster_name(cluster.as_str()).into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(Ok(name)) = pages.next().await {
        names.push(name);
    }
    names
}

/// Names of the cluster's own Auto Scaling groups; none when they may not be listed, for they are only a help.
async fn self_managed(session: &Session, cluster: &ClusterName) -> Vec<String> {
    let tags = Filter::builder().name("tag-key").set_values(Some(owner_tags(cluster).into())).build();
    let mut pages = session.autoscaling().describe_auto_scaling_groups().filters(tags).into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(Ok(group)) = pages.next().await {
        let owned = check_owner(&group, cluster, &GroupName::Asg(AsgName::new(""))).is_ok();
        names.extend(group.auto_scaling_group_name.filter(|_| owned));
    }
    names
}

/// A self-managed group that belongs to the cluster carries one of these.
fn owner_tags(cluster: &ClusterName) -> [String; 2] {
    [format!("kubernetes.io/cluster/{cluster}"), format!("k8s.io/cluster/{cluster}")]
}

fn asg_of(nodegroup: &Nodegroup, group: &GroupName) -> Result<AsgName, PortError> {
    let groups = nodegroup.resources().map(aws_sdk_eks::types::NodegroupResources::auto_scaling_groups);
    match groups.unwrap_or_default() {
        [only] if only.name().is_some() => Ok(AsgName::new(only.name().unwrap_or_default())),
        groups => {
            let status = nodegroup.status().map_or("of no status", aws_sdk_eks::types::NodegroupStatus::as_str);
            Err(PortError::Malformed {
                what: group.to_string(),
                message: format!("has {} Auto Scaling groups while it is {status}, not one", groups.len()),
            })
        }
    }
}

/// A group that carries no tag of the cluster would be somebody else's machines.
fn check_owner(asg: &AutoScalingGroup, cluster: &ClusterName, group: &GroupName) -> Result<(), PortError> {
    let refuse = |message: String| Err(PortError::Malformed { what: group.to_string(), message });
    let wanted = owner_tags(cluster);
    let tags = asg.tags();
    if let Some(nodegroup) = tags.iter().find(|tag| tag.key() == Some(NODEGROUP_TAG)).and_then(|tag| tag.value()) {
        return refuse(format!("belongs to a managed node group: use --nodegroup {nodegroup}"));
    }
    if !tags.iter().filter_map(|tag| tag.key()).any(|key| wanted.iter().any(|wanted| wanted == key)) {
        return refuse(format!("does not belong to cluster/{cluster}: it has no tag {}", wanted.join(" or ")));
    }
    Ok(())
}
