//! Auto Scaling's Query API.

use jiff::Timestamp;
use mngup::{
    domain::{InstanceId, Process},
    sim::asg::{AsgError, HookKind, HookResult, InstanceState, TemplateUse, VersionUse},
};

use super::{
    autoscaling_answers::{activity, group, instance, lifecycle_hook},
    query,
    service::{Answer, Refused, Request},
    state::State,
    xml::{leaf, members, node},
};

const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";
const REFRESH: &str = "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b";

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
            let known = known.map(|known| instance(state, known) + &leaf("AutoScalingGroupName", &state.world.asg));
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
                leaf("InstanceRefreshId", REFRESH)
                    + &leaf("AutoScalingGroupName", &state.world.asg)
                    + &leaf("Status", status)
                    + &leaf("StartTime", now)
                    + &leaf("PercentageComplete", 10)
                    + &leaf("InstancesToUpdate", 2)
            });
            Ok(result(operation, &members("InstanceRefreshes", refreshes)))
        }
        "DescribeWarmPool" => {
            this_group(state, request)?;
            Ok(result(operation, &node("Instances", "")))
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
            update_policy(state, request, now)?;
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
        "CompleteLifecycleAction" => complete(state, request, now),
        "SetInstanceProtection" => protect(state, request, now),
        "CancelInstanceRefresh" => {
            this_group(state, request)?;
            state.asg.cancel_instance_refresh(now).map_err(|error| refused(&error))?;
            Ok(result(operation, &leaf("InstanceRefreshId", REFRESH)))
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

/// Whoever answers for a hook names it: that of the transition that the instance is in.
fn complete(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    this_group(state, request)?;
    let id = InstanceId::new(request.get("InstanceId").ok_or_else(|| missing("InstanceId"))?);
    let name = request.get("LifecycleHookName").ok_or_else(|| missing("LifecycleHookName"))?;
    let kind = match state.asg.instance(&id).map(|one| one.state) {
        Some(InstanceState::PendingWait) => Some(HookKind::Launching),
        Some(InstanceState::TerminatingWait) => Some(HookKind::Terminating),
        Some(_) | None => None,
    };
    let holds = state.asg.config().hooks.iter().any(|hook| hook.name == name && Some(hook.kind) == kind);
    if !holds {
        return Err(refused(&AsgError::NoLifecycleAction(id, kind)));
    }
    let how = match request.get("LifecycleActionResult") {
        Some("CONTINUE") => HookResult::Continue,
        Some("ABANDON") => HookResult::Abandon,
        Some(_) | None => return Err(missing("LifecycleActionResult")),
    };
    state.asg.complete_lifecycle_action(&id, how, now).map_err(|error| refused(&error))?;
    Ok(result(&request.operation, ""))
}

fn protect(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    this_group(state, request)?;
    let protected = match request.get("ProtectedFromScaleIn") {
        Some("true") => true,
        Some("false") => false,
        Some(_) | None => return Err(missing("ProtectedFromScaleIn")),
    };
    let ids: Vec<_> = request.list("InstanceIds").into_iter().map(InstanceId::new).collect();
    for id in &ids {
        state.asg.protect(id, protected, now).map_err(|error| refused(&error))?;
    }
    Ok(result(&request.operation, ""))
}

/// What is not named of a policy stays as it is; an empty price takes the limit away.
fn update_policy(state: &mut State, request: &Request, now: Timestamp) -> Result<(), Refused> {
    let wrong = |message: &str| Err(Refused::new(400, "ValidationError", message));
    if let Some(price) = request.get("MixedInstancesPolicy.InstancesDistribution.SpotMaxPrice") {
        state.account.spot_max_price = (!price.is_empty()).then(|| price.to_owned());
        state.settle_launches(now);
    }
    let named =
        |field: &str| request.get(&format!("MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.{field}"));
    let id = match (named("LaunchTemplateId"), named("LaunchTemplateName")) {
        (Some(id), None) => id,
        (None, None) => return Ok(()),
        (_, Some(_)) => {
            return wrong("Valid requests must contain either launchTemplateId or LaunchTemplateName, not both.");
        }
    };
    let Some(template) = state.asg.config().templates.get(id) else {
        return wrong(
            "You must use a valid fully-formed launch template. The specified launch template does not exist.",
        );
    };
    let version = match named("Version") {
        None | Some("$Default") => VersionUse::Default,
        Some("$Latest") => VersionUse::Latest,
        Some(number) => match number.parse().ok().filter(|number| (1..=template.latest).contains(number)) {
            Some(number) => VersionUse::Number(number),
            None => return wrong("You must use a valid fully-formed launch template. Could not find the version."),
        },
    };
    state.asg.launch_from(TemplateUse { id: id.to_owned(), version }, now);
    Ok(())
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
