//! What Auto Scaling tells of a group, in its own XML.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mngup::{
    domain::{Process, Zone},
    sim::asg::{Activity, ActivityStatus, AsgInstance, Hook, HookKind, HookResult, TemplateUse, VersionUse},
};

use super::{
    state::State,
    xml::{leaf, members, node, optional},
};

pub fn group(state: &State) -> String {
    let asg = &state.asg;
    let config = asg.config();
    let size = asg.size();
    let zones = config.subnets.iter().map(|subnet| subnet.zone.to_string());
    let tags = config.tags.iter().map(|(key, value)| {
        leaf("ResourceId", &config.name)
            + &leaf("ResourceType", "auto-scaling-group")
            + &leaf("Key", key)
            + &leaf("Value", value)
            + &leaf("PropagateAtLaunch", true)
    });
    let suspended = config.suspended.iter().map(|process| {
        leaf("ProcessName", process_name(process)) + &leaf("SuspensionReason", "User suspended at 2026-01-02T03:04:05Z")
    });
    let subnets = config.subnets.iter().map(|subnet| subnet.id.as_str()).collect::<Vec<_>>().join(",");
    let name = &config.name;
    leaf("AutoScalingGroupName", name)
        + &leaf(
            "AutoScalingGroupARN",
            format!("arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:2b9a:autoScalingGroupName/{name}"),
        )
        + &launches_from(state)
        + &leaf("MinSize", size.min)
        + &leaf("MaxSize", size.max)
        + &leaf("DesiredCapacity", size.desired)
        + &leaf("DefaultCooldown", 300)
        + &text_members("AvailabilityZones", zones)
        + &node("LoadBalancerNames", "")
        + &leaf("HealthCheckType", "EC2")
        + &leaf("HealthCheckGracePeriod", 15)
        + &members("Instances", asg.instances().values().map(|one| instance(state, one)))
        + &leaf("CreatedTime", "2026-01-02T03:04:05.678Z")
        + &members("SuspendedProcesses", suspended)
        + &leaf("VPCZoneIdentifier", subnets)
        + &node("EnabledMetrics", "")
        + &members("Tags", tags)
        + &text_members("TerminationPolicies", ["AllocationStrategy", "OldestLaunchTemplate"].map(String::from))
        + &leaf("NewInstancesProtectedFromScaleIn", false)
        + &leaf("CapacityRebalance", false)
        + &optional("DesiredCapacityType", state.world.capacity_type.as_ref())
        + &config.operator.as_ref().map(|who| node("Operator", &leaf("Principal", who))).unwrap_or_default()
}

fn text_members(name: &str, texts: impl IntoIterator<Item = String>) -> String {
    node(name, &texts.into_iter().map(|text| leaf("member", text)).collect::<String>())
}

fn process_name(process: &Process) -> &str {
    match process {
        Process::Launch => "Launch",
        Process::Terminate => "Terminate",
        Process::AzRebalance => "AZRebalance",
        Process::Other(name) => name,
    }
}

fn launches_from(state: &State) -> String {
    let config = state.asg.config();
    let own = template(state, &config.launch_from);
    if !config.mixed {
        return node("LaunchTemplate", &own);
    }
    let overrides = config.overrides.iter().map(|wanted| {
        let own = wanted.template.as_ref().map(|used| node("LaunchTemplateSpecification", &template(state, used)));
        leaf("InstanceType", &wanted.instance_type)
            + &own.unwrap_or_default()
            + &optional("WeightedCapacity", state.world.weight.map(|weight| weight.to_string()))
    });
    let launch = node("LaunchTemplateSpecification", &own) + &members("Overrides", overrides);
    let spread = leaf("OnDemandAllocationStrategy", "prioritized")
        + &leaf("OnDemandBaseCapacity", 0)
        + &optional("SpotMaxPrice", state.account.spot_max_price.as_ref());
    node("MixedInstancesPolicy", &(node("LaunchTemplate", &launch) + &node("InstancesDistribution", &spread)))
}

fn template(state: &State, used: &TemplateUse) -> String {
    let version = match used.version {
        VersionUse::Number(number) => number.to_string(),
        VersionUse::Default => "$Default".to_owned(),
        VersionUse::Latest => "$Latest".to_owned(),
    };
    let name = state.asg.config().templates.get(&used.id).map(|template| &template.name);
    leaf("LaunchTemplateId", &used.id) + &optional("LaunchTemplateName", name) + &leaf("Version", version)
}

pub fn instance(state: &State, one: &AsgInstance) -> String {
    let templates = &state.asg.config().templates;
    let from = one.template.as_ref().map(|used| {
        let name = templates.get(&used.id).map(|template| &template.name);
        let inside = leaf("LaunchTemplateId", &used.id)
            + &optional("LaunchTemplateName", name)
            + &leaf("Version", &used.version);
        node("LaunchTemplate", &inside)
    });
    leaf("InstanceId", &one.id)
        + &leaf("InstanceType", &one.instance_type)
        + &leaf("AvailabilityZone", &one.zone)
        + &leaf("LifecycleState", one.state.as_str())
        + &leaf("HealthStatus", if one.healthy { "Healthy" } else { "Unhealthy" })
        + &from.unwrap_or_default()
        + &leaf("ProtectedFromScaleIn", one.protected)
}

pub fn activity(state: &State, one: &Activity) -> String {
    leaf("ActivityId", &one.id)
        + &leaf("AutoScalingGroupName", &state.world.asg)
        + &leaf("Description", &one.description)
        + &leaf("Cause", &one.cause)
        + &leaf("StartTime", began(state, one))
        + &optional("EndTime", one.ended_at)
        + &leaf("StatusCode", one.status.as_str())
        + &optional("StatusMessage", one.message.as_ref())
        + &leaf("Progress", one.progress)
        + &optional("Details", one.place.as_ref().map(|(subnet, zone)| details(subnet, zone)))
}

/// What a hook holds has been held for as long as the world says: nobody here waits a quarter of an hour.
fn began(state: &State, one: &Activity) -> Timestamp {
    let held = one.status == ActivityStatus::MidLifecycleAction;
    let before = if held { state.world.held_for } else { Duration::ZERO };
    one.started_at - SignedDuration::try_from(before).expect("a span that fits")
}

/// As Auto Scaling writes them: JSON in a text.
fn details(subnet: &str, zone: &Zone) -> String {
    format!(r#"{{"Subnet ID":"{subnet}","Availability Zone":"{zone}"}}"#)
}

pub fn lifecycle_hook(state: &State, hook: &Hook) -> String {
    let transition = match hook.kind {
        HookKind::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
        HookKind::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
    };
    let result = match hook.default_result {
        HookResult::Continue => "CONTINUE",
        HookResult::Abandon => "ABANDON",
    };
    leaf("LifecycleHookName", &hook.name)
        + &leaf("AutoScalingGroupName", &state.world.asg)
        + &leaf("LifecycleTransition", transition)
        + &leaf("NotificationTargetARN", "arn:aws:sns:eu-west-1:444455556666:eks-asg-lifecycle-hook-topic")
        + &leaf("HeartbeatTimeout", hook.heartbeat.as_secs())
        + &leaf("GlobalTimeout", 172_800)
        + &leaf("DefaultResult", result)
}
