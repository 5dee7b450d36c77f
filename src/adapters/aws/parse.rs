//! What EKS and Auto Scaling describe, in the words of the domain.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types as autoscaling;
use aws_sdk_eks::types as eks;
use jiff::Timestamp;

use crate::{
    domain::{
        ClusterName, Counts, HealthIssue, Instance, InstanceId, IntOrPercent, LaunchTemplate, Lifecycle, Nodegroup,
        NodegroupName, NodegroupStatus, Process, ScalingActivity, Size, UpdateStrategy, Zone,
    },
    ports::PortError,
};

/// Sizes of the group; it always has them.
pub(super) fn size(group: &autoscaling::AutoScalingGroup, object: &str) -> Result<Size, PortError> {
    let number = |value: Option<i32>, what: &str| {
        value.and_then(|value| u32::try_from(value).ok()).ok_or_else(|| PortError::Malformed {
            what: object.to_owned(),
            message: format!("is described without its {what} size"),
        })
    };
    Ok(Size {
        min: number(group.min_size, "minimum")?,
        desired: number(group.desired_capacity, "desired")?,
        max: number(group.max_size, "maximum")?,
    })
}

/// What those sizes count: weights and units are settings of a mixed-instances policy.
pub(super) fn counts(group: &autoscaling::AutoScalingGroup) -> Counts {
    match group.desired_capacity_type() {
        // `units` is the other word for instances, those without weights.
        None | Some("" | "units") => {}
        Some(units) => return Counts::Units(units.to_owned()),
    }
    let policy = group.mixed_instances_policy().and_then(autoscaling::MixedInstancesPolicy::launch_template);
    let overrides = policy.map(autoscaling::LaunchTemplate::overrides).unwrap_or_default();
    let weighted = overrides.iter().filter_map(|one| {
        let weight = one.weighted_capacity().filter(|weight| *weight != "1")?;
        Some(format!("{} counts {weight}", one.instance_type().unwrap_or("a type chosen by attributes")))
    });
    let weights: Vec<_> = weighted.collect();
    if weights.is_empty() { Counts::Instances } else { Counts::Weights(weights) }
}

/// The group's instances, those of a warm pool too: they are apart.
pub(super) fn instances(group: &autoscaling::AutoScalingGroup) -> impl Iterator<Item = (InstanceId, Instance)> {
    group.instances().iter().filter_map(|described| {
        let id = InstanceId::new(described.instance_id()?);
        let template = described.launch_template().and_then(|template| {
            Some(LaunchTemplate {
                id: template.launch_template_id()?.to_owned(),
                version: template.version()?.to_owned(),
            })
        });
        let instance = Instance {
            id: id.clone(),
            zone: Zone::new(described.availability_zone().unwrap_or_default()),
            lifecycle: Lifecycle::parse(described.lifecycle_state().map_or("", autoscaling::LifecycleState::as_str)),
            healthy: described.health_status().is_none_or(|health| health.eq_ignore_ascii_case("healthy")),
            template,
            instance_type: described.instance_type().unwrap_or_default().to_owned(),
            protected: described.protected_from_scale_in().unwrap_or_default(),
            no_node: false,
        };
        Some((id, instance))
    })
}

/// Processes that are suspended.
pub(super) fn suspended(group: &autoscaling::AutoScalingGroup) -> BTreeSet<Process> {
    group.suspended_processes().iter().filter_map(|process| process.process_name()).map(Process::parse).collect()
}

/// An activity; one without id or start is of no use to anybody.
pub(super) fn activity(activity: &autoscaling::Activity) -> Option<ScalingActivity> {
    Some(ScalingActivity {
        id: activity.activity_id()?.to_owned(),
        started_at: moment(activity.start_time()?)?,
        status: activity.status_code().map_or("", autoscaling::ScalingActivityStatusCode::as_str).to_owned(),
        description: activity.description().unwrap_or_default().to_owned(),
        message: activity.status_message().filter(|message| !message.is_empty()).map(str::to_owned),
        cause: activity.cause().unwrap_or_default().to_owned(),
        subnet: detail(activity, "Subnet ID"),
        zone: detail(activity, "Availability Zone").map(Zone::new),
    })
}

/// One of the details, which are JSON in a text.
fn detail(activity: &autoscaling::Activity, key: &str) -> Option<String> {
    let details: serde_json::Value = serde_json::from_str(activity.details()?).ok()?;
    Some(details[key].as_str()?.to_owned())
}

/// The status of an instance refresh, while it is under way.
pub(super) fn refresh(refresh: &autoscaling::InstanceRefresh) -> Option<String> {
    let status = refresh.status()?.as_str();
    let under_way = ["Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"];
    under_way.contains(&status).then(|| status.to_owned())
}

/// A managed node group.
pub(super) fn nodegroup(cluster: &ClusterName, name: &NodegroupName, described: &eks::Nodegroup) -> Nodegroup {
    let config = described.update_config();
    let count = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let max_unavailable = config.and_then(|config| {
        let whole = count(config.max_unavailable()).map(IntOrPercent::Int);
        whole.or_else(|| count(config.max_unavailable_percentage()).map(IntOrPercent::Percent))
    });
    let strategy = config.and_then(|config| config.update_strategy()).map(eks::NodegroupUpdateStrategies::as_str);
    let issues = described.health().map(eks::NodegroupHealth::issues).unwrap_or_default();
    Nodegroup {
        name: name.clone(),
        cluster: cluster.clone(),
        status: match described.status().map_or("", eks::NodegroupStatus::as_str) {
            "ACTIVE" => NodegroupStatus::Active,
            "UPDATING" => NodegroupStatus::Updating,
            "DEGRADED" => NodegroupStatus::Degraded,
            other => NodegroupStatus::Other(other.to_owned()),
        },
        issues: issues
            .iter()
            .map(|issue| HealthIssue {
                code: issue.code().map_or("Unknown", eks::NodegroupIssueCode::as_str).to_owned(),
                message: issue.message().unwrap_or_default().to_owned(),
                resources: issue.resource_ids().to_vec(),
            })
            .collect(),
        max_unavailable,
        strategy: if strategy == Some("MINIMAL") { UpdateStrategy::Minimal } else { UpdateStrategy::Default },
        version: described.version().map(str::to_owned),
        release: described.release_version().map(str::to_owned),
        ami_type: described.ami_type().map(|kind| kind.as_str().to_owned()),
        capacity_type: described.capacity_type().map(|kind| kind.as_str().to_owned()),
        role: described.node_role().map(str::to_owned),
    }
}

pub(super) fn moment(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}
