//! Auto Scaling's Query API.

use jiff::Timestamp;
use mngup::{
    domain::{InstanceId, Process, Zone},
    sim::asg::{Activity, AsgError, AsgInstance, Hook, HookKind, HookResult, TemplateUse, VersionUse},
};

use super::{
    query,
    service::{Answer, Refused, Request},
    state::State,
    xml::{leaf, members, node, optional},
};

const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";

pub fn perform(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    let operation = request.operation.as_str();
    match operation {
        "DescribeAutoScalingGroups" => {
            let wanted = request.list("AutoScalingGroupNames");
            let known = wanted.is_empty() || wanted.contains(&state.world.asg.as_str());
            let groups = known.then(|| group(state));
            Ok(result(operation, &members("AutoScalingGroups", groups)))
        }
        "DescribeAutoScalingInstances" => {
            let wanted = request.list("InstanceIds");
            let known = state.asg.instances().values().filter(|known| wanted.contains(&known.id.as_str()));
            let known =
                known.map(|known| leaf("InstanceId", &known.id) + &leaf("AutoScalingGroupName", &state.world.asg));
            Ok(result(operation, &members("AutoScalingInstances", known.collect::<Vec<_>>())))
        }
        "DescribeScalingActivities" => {
            this_group(state, request)?;
            let limit = request.get("MaxRecords").and_then(|count| count.parse().ok()).unwrap_or(100);
            let activities = state.asg.activities().take(limit).map(|one| activity(state, one)).collect::<Vec<_>>();
            Ok(result(operation, &members("Activities", activities)))
        }
        "DescribeLifecycleHooks" => {
            this_group(state, request)?;
            let hooks = state.asg.config().hooks.iter().map(|hook| lifecycle_hook(state, hook)).collect::<Vec<_>>();
            Ok(result(operation, &members("LifecycleHooks", hooks)))
        }
        "DescribeInstanceRefreshes" => {
            this_group(state, request)?;
            let refreshes = state.asg.config().instance_refresh.as_ref().map(|status| {
                leaf("InstanceRefreshId", "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b")
                    + &leaf("AutoScalingGroupName", &state.world.asg)
                    + &leaf("Status", status)
                    + &leaf("StartTime", now)
                    + &leaf("PercentageComplete", 10)
                    + &leaf("InstancesToUpdate", 2)
            });
            Ok(result(operation, &members("InstanceRefreshes", refreshes)))
        }
        "TerminateInstanceInAutoScalingGroup" => terminate(state, request, now),
        "SetDesiredCapacity" => {
            this_group(state, request)?;
            let desired = number(request, "DesiredCapacity")?.ok_or_else(|| missing("DesiredCapacity"))?;
            state.asg.set_desired(desired, now).map_err(|error| refused(&error))?;
            Ok(query::answer(NAMESPACE, operation, ""))
        }
        "UpdateAutoScalingGroup" => {
            this_group(state, request)?;
            let (min, max) = (number(request, "MinSize")?, number(request, "MaxSize")?);
            let desired = number(request, "DesiredCapacity")?;
            state.asg.update_size(min, max, desired, now).map_err(|error| refused(&error))?;
            Ok(query::answer(NAMESPACE, operation, ""))
        }
        "SuspendProcesses" | "ResumeProcesses" => {
            this_group(state, request)?;
            let processes: Vec<_> = request.list("ScalingProcesses").into_iter().map(Process::parse).collect();
            if operation == "SuspendProcesses" {
                state.asg.suspend(&processes, now);
            } else {
                state.asg.resume(&processes, now);
            }
            Ok(query::answer(NAMESPACE, operation, ""))
        }
        operation => Err(Refused::new(
            400,
            "InvalidAction",
            format!("Could not find operation {operation} for version 2011-01-01"),
        )),
    }
}

fn terminate(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    let id = InstanceId::new(request.get("InstanceId").ok_or_else(|| missing("InstanceId"))?);
    let decrement = match request.get("ShouldDecrementDesiredCapacity") {
        Some("true") => true,
        Some("false") => false,
        Some(_) | None => return Err(missing("ShouldDecrementDesiredCapacity")),
    };
    let begun = state.asg.terminate(&id, decrement, now).map_err(|error| refused(&error))?;
    Ok(result(&request.operation, &node("Activity", &activity(state, &begun))))
}

fn result(operation: &str, inside: &str) -> Answer {
    query::answer(NAMESPACE, operation, &node(&format!("{operation}Result"), inside))
}

fn refused(error: &AsgError) -> Refused {
    Refused::new(error.http_status(), error.code(), error.to_string())
}

fn missing(name: &str) -> Refused {
    Refused::new(
        400,
        "ValidationError",
        format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ),
    )
}

fn number(request: &Request, name: &str) -> Result<Option<u32>, Refused> {
    request.get(name).map(|text| text.parse().map_err(|_| missing(name))).transpose()
}

fn this_group(state: &State, request: &Request) -> Result<(), Refused> {
    match request.get("AutoScalingGroupName") {
        Some(name) if name == state.world.asg => Ok(()),
        Some(_) | None => Err(Refused::new(400, "ValidationError", "AutoScalingGroup name not found - null")),
    }
}

fn group(state: &State) -> String {
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
    let spread = leaf("OnDemandAllocationStrategy", "prioritized") + &leaf("OnDemandBaseCapacity", 0);
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

fn instance(state: &State, one: &AsgInstance) -> String {
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

fn activity(state: &State, one: &Activity) -> String {
    leaf("ActivityId", &one.id)
        + &leaf("AutoScalingGroupName", &state.world.asg)
        + &leaf("Description", &one.description)
        + &leaf("Cause", &one.cause)
        + &leaf("StartTime", one.started_at)
        + &optional("EndTime", one.ended_at)
        + &leaf("StatusCode", one.status.as_str())
        + &optional("StatusMessage", one.message.as_ref())
        + &leaf("Progress", one.progress)
        + &optional("Details", one.place.as_ref().map(|(subnet, zone)| details(subnet, zone)))
}

/// As Auto Scaling writes them: JSON in a text.
fn details(subnet: &str, zone: &Zone) -> String {
    format!(r#"{{"Subnet ID":"{subnet}","Availability Zone":"{zone}"}}"#)
}

fn lifecycle_hook(state: &State, hook: &Hook) -> String {
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
