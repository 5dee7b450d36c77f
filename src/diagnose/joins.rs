//! What keeps an instance from becoming a node, or from leaving.

use super::{
    Rule, Verdicts, limits, remedy,
    scene::Scene,
    targets::{Comer, Goer},
};
use crate::domain::{
    AccessEntries, AccessMode, Ask, By, CannotTell, Cause, Finding, Grade, Group, Instance, Known, Lack, Lifecycle,
    LifecycleHook, Member, Nodegroup, Object, Sure,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::HookHoldsLaunch,
        Cause::HookHoldsTermination,
        Cause::InstanceNeverJoined,
        Cause::JoinNoAccess,
        Cause::InstanceProtected,
        Cause::InstanceWrongTemplate,
        Cause::InstanceLost,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let Some(group) = scene.view.snapshot.group() else { return };
    for comer in &scene.comers {
        verdicts.found.extend(wrong_template(group, comer));
        match &comer.instance.lifecycle {
            Lifecycle::Pending(state) if state == "Pending:Wait" => {
                let found = hook_at_launch(scene, group, comer, verdicts);
                verdicts.found.push(found);
            }
            Lifecycle::InService if comer.node.is_none() => {
                let found = not_joined(scene, group, comer, verdicts);
                verdicts.found.extend(found);
            }
            Lifecycle::Pending(_) | Lifecycle::InService | Lifecycle::Terminating(_) | Lifecycle::Apart(_) => {}
        }
    }
    for goer in scene.goers.iter().filter(|goer| goer.lifecycle == Some("Terminating:Wait")) {
        let found = hook_at_termination(scene, group, goer, verdicts);
        verdicts.found.push(found);
    }
    verdicts.found.extend(lost(scene, group));
    verdicts.found.extend(protected(scene, group));
}

fn about(cause: Cause, instance: &Instance, says: String) -> Finding {
    Finding::new(cause, Object::Instance(instance.id.clone()), says)
}

/// Blocks from a limit on; it takes its time before that.
fn from(late: bool) -> Grade {
    if late { Grade::Blocks } else { Grade::Waits }
}

fn hook_at_launch(scene: &Scene<'_>, group: &Group, comer: &Comer<'_>, verdicts: &mut Verdicts) -> Finding {
    let id = &comer.instance.id;
    let object = Object::Instance(id.clone());
    let hooks = hooks(scene, Cause::HookHoldsLaunch, &object, verdicts, true);
    let found = about(Cause::HookHoldsLaunch, comer.instance, format!("a lifecycle hook holds the new instance/{id}"));
    let found = held(found, &hooks, "Pending:Wait");
    let found = match comer.node {
        Some(node) => found.by(By::Status, format!("it is node/{} already", node.name)),
        None => found.by(By::Absence, "no Node has come of it yet"),
    };
    let late = scene.since(comer.since) >= limits::HOOK_AT_LAUNCH;
    found.since(Some(comer.since)).graded(from(late)).remedies(remedy::joins::hook_at_launch(group, id, &hooks))
}

fn hook_at_termination(scene: &Scene<'_>, group: &Group, goer: &Goer<'_>, verdicts: &mut Verdicts) -> Finding {
    let object = Object::Instance(goer.id.clone());
    let hooks = hooks(scene, Cause::HookHoldsTermination, &object, verdicts, false);
    let says = format!("a lifecycle hook holds instance/{}, which is to go", goer.id);
    let found = held(Finding::new(Cause::HookHoldsTermination, object, says), &hooks, "Terminating:Wait");
    let late = scene.since(goer.since) >= limits::HOOK_AT_TERMINATION;
    let remedies = remedy::joins::hook_at_termination(group, goer, &hooks);
    found.since(Some(goer.since)).graded(from(late)).remedies(remedies)
}

/// The hooks that may hold it; which of several does is told by nobody.
fn hooks<'a>(
    scene: &Scene<'a>,
    cause: Cause,
    object: &Object,
    verdicts: &mut Verdicts,
    at_launch: bool,
) -> Vec<&'a LifecycleHook> {
    match scene.ask(&Ask::hooks()) {
        Known::Is(hooks) => hooks.iter().filter(|hook| hook.at_launch == at_launch).collect(),
        Known::Unknown(lacking) => {
            verdicts.unknown.push(CannotTell { cause, object: object.clone(), lacking });
            Vec::new()
        }
    }
}

fn held(found: Finding, hooks: &[&LifecycleHook], state: &str) -> Finding {
    let found = found.by(By::Status, format!("it is {state}"));
    let found = found.sure(if hooks.len() == 1 { Sure::Certain } else { Sure::Likely });
    hooks.iter().fold(found, |found, hook| {
        let LifecycleHook { name, heartbeat_seconds, default_result, notifies, .. } = hook;
        let whom = match notifies {
            Some(arn) => format!("{arn} is told of it"),
            None => "nobody is told of it but by EventBridge".to_owned(),
        };
        let ends = format!("{name} ends by itself after {heartbeat_seconds} seconds with {default_result}");
        found.by(By::Spec, format!("{ends}; {whom}"))
    })
}

/// In service, and no Node: an instance that boots, one that is not let in, or one that cannot.
fn not_joined(scene: &Scene<'_>, group: &Group, comer: &Comer<'_>, verdicts: &mut Verdicts) -> Option<Finding> {
    let waited = scene.since(comer.since);
    if waited < limits::JOINS {
        return None;
    }
    let instance = comer.instance;
    let object = Object::Instance(instance.id.clone());
    // A role that nobody lets in is told at once; of what else may be in the way time is the only sign.
    let late = waited >= limits::JOINS_LATE;
    let found = match access(scene, group.nodegroup.as_ref()) {
        Access::Given(_) | Access::Unknown(_) if !late => return None,
        Access::Refused { nodegroup, role, mode } => {
            let says = format!("the cluster does not know the IAM role of instance/{}", instance.id);
            about(Cause::JoinNoAccess, instance, says)
                .by(By::Absence, not_listed(role, mode))
                .by(By::Absence, "it is in service, and no Node names it")
                .sure(Sure::Likely)
                .remedies(remedy::joins::no_access(nodegroup, role, mode))
        }
        Access::Given(how) => never_joined(scene, group, comer).by(By::Status, how),
        Access::Unknown(lacking) => {
            verdicts.unknown.push(CannotTell { cause: Cause::JoinNoAccess, object, lacking });
            never_joined(scene, group, comer)
        }
    };
    Some(found.since(Some(comer.since)))
}

/// Whether the nodes of the group may log in.
enum Access<'a> {
    Given(String),
    Refused { nodegroup: &'a Nodegroup, role: &'a str, mode: AccessMode },
    Unknown(Lack),
}

fn access<'a>(scene: &Scene<'_>, nodegroup: Option<&'a Nodegroup>) -> Access<'a> {
    let Some((nodegroup, role)) = nodegroup.and_then(|nodegroup| Some((nodegroup, nodegroup.role.as_deref()?))) else {
        return Access::Unknown(Lack::NotOffered("the role of nodes without a node group is not read".to_owned()));
    };
    let entries = scene.ask(&Ask::access_entries());
    let listed = scene.ask(&Ask::auth_map());
    let has_entry = |entries: &AccessEntries| entries.principals.iter().any(|entry| entry == role);
    let in_map = matches!(&listed, Known::Is(Some(roles)) if roles.contains(&without_path(role)));
    let by_map = || Access::Given(format!("{role} is in configmap/aws-auth"));
    match (entries, listed) {
        (Known::Is(entries), _) if entries.mode != AccessMode::Map && has_entry(entries) => {
            Access::Given(format!("{role} has an access entry"))
        }
        (Known::Is(entries), _) if entries.mode != AccessMode::Entries && in_map => by_map(),
        (Known::Is(entries), Known::Is(_)) => Access::Refused { nodegroup, role, mode: entries.mode },
        (Known::Is(entries), Known::Unknown(lack)) => match entries.mode {
            AccessMode::Entries => Access::Refused { nodegroup, role, mode: entries.mode },
            AccessMode::Map | AccessMode::Both => Access::Unknown(lack),
        },
        (Known::Unknown(_), _) if in_map => by_map(),
        (Known::Unknown(lack), _) => Access::Unknown(lack),
    }
}

/// Where the role would have to stand.
fn not_listed(role: &str, mode: AccessMode) -> String {
    match mode {
        AccessMode::Both => format!("{role} is neither among the access entries nor in configmap/aws-auth"),
        AccessMode::Entries => {
            format!("{role} is not among the access entries, and the cluster goes by them alone (mode API)")
        }
        AccessMode::Map => {
            format!("{role} is not in configmap/aws-auth, and the cluster goes by it alone (mode CONFIG_MAP)")
        }
    }
}

/// In `aws-auth` a role stands without its path: `arn:…:role/NAME`.
fn without_path(role: &str) -> String {
    match (role.split_once(":role/"), role.rsplit_once('/')) {
        (Some((account, _)), Some((_, name))) => format!("{account}:role/{name}"),
        _ => role.to_owned(),
    }
}

fn never_joined(scene: &Scene<'_>, group: &Group, comer: &Comer<'_>) -> Finding {
    let instance = comer.instance;
    let windows = group.nodegroup.as_ref().and_then(|nodegroup| nodegroup.ami_type.as_deref());
    let windows = windows.is_some_and(|ami| ami.starts_with("WINDOWS"));
    let patience = if windows { limits::NEVER_JOINED_WINDOWS } else { limits::NEVER_JOINED };
    let whose = if instance.no_node { "of the cluster" } else { "of the group" };
    about(Cause::InstanceNeverJoined, instance, format!("no Node has come of instance/{}", instance.id))
        .by(By::Absence, format!("it is in service in {}, and no Node {whose} has it as its providerID", instance.zone))
        .sure(Sure::Possible)
        .graded(from(scene.since(comer.since) >= patience))
        .remedies(remedy::joins::never_joined(group, &instance.id, &near(scene, instance)))
}

/// The group's subnets in the zone of an instance: it is in one of them.
fn near<'a>(scene: &Scene<'a>, instance: &Instance) -> Vec<&'a str> {
    let subnets = scene.ask(&Ask::subnets()).known().map(Vec::as_slice).unwrap_or_default();
    subnets.iter().filter(|subnet| subnet.zone == instance.zone).map(|subnet| subnet.id.as_str()).collect()
}

/// A newcomer that would have to be replaced again.
fn wrong_template(group: &Group, comer: &Comer<'_>) -> Option<Finding> {
    let instance = comer.instance;
    let target = group.target.for_type(&instance.instance_type)?;
    if !comer.awaited || instance.template.as_ref() == Some(target) {
        return None;
    }
    let has = instance.template.as_ref().map_or_else(
        || "no launch template that still exists".to_owned(),
        |template| format!("{} version {}", template.id, template.version),
    );
    let says = format!("the new instance/{} is not of the group's version", instance.id);
    let why = format!("it was launched from {has}, the group has {} version {}", target.id, target.version);
    let found = about(Cause::InstanceWrongTemplate, instance, says).by(By::Status, why);
    Some(found.since(Some(comer.since)).remedies(remedy::joins::wrong_template(group, &instance.id, comer.node)))
}

/// Launches whose instances are ended by others, one after the other.
fn lost(scene: &Scene<'_>, group: &Group) -> Option<Finding> {
    let owed = scene.owed.iter().map(|owed| (owed.lost, owed.replaces, owed.since));
    let coming = scene.comers.iter().map(|comer| (comer.lost, comer.replaces, Some(comer.since)));
    let (_, replaces, since) = owed.chain(coming).filter(|(lost, ..)| *lost >= limits::LOSSES).max()?;
    let object = Object::Asg(group.asg.clone());
    let whom = replaces.map_or_else(|| "the extra node".to_owned(), Member::title);
    let says = format!("instances that come for {whom} are ended by somebody else before they serve");
    let found = Finding::new(Cause::InstanceLost, object, says);
    let found = found.by(By::Seen, format!("{} or more of them were lost, and not by mngup", limits::LOSSES));
    let why = group.activities.iter().filter(|activity| activity.is_termination() && !activity.cause.is_empty());
    let found = why.take(2).fold(found, |found, activity| found.by(By::Activity, &activity.cause));
    Some(found.since(since).remedies(remedy::joins::lost(group)))
}

/// A group that has more than it wants, and none that it may take.
fn protected(scene: &Scene<'_>, group: &Group) -> Option<Finding> {
    if !scene.looks_at_the_group() {
        return None;
    }
    let is_member = |instance: &&Instance| matches!(instance.lifecycle, Lifecycle::Pending(_) | Lifecycle::InService);
    let members: Vec<_> = group.instances.values().filter(is_member).collect();
    let surplus = members.len().saturating_sub(usize::try_from(group.size.desired).unwrap_or(usize::MAX));
    if surplus == 0 || members.iter().any(|member| !member.protected) {
        return None;
    }
    let says = format!("asg/{} is to shrink by {surplus}, and all of its instances are protected", group.asg);
    let why = format!("desired {}, and {} are there with ProtectedFromScaleIn", group.size.desired, members.len());
    let found = Finding::new(Cause::InstanceProtected, Object::Asg(group.asg.clone()), says).by(By::Status, why);
    // Those that are old go first, as the group itself would choose.
    let old = |member: &&&Instance| group.target.for_type(&member.instance_type) == member.template.as_ref();
    let mut choice = members.clone();
    choice.sort_by_key(|member| (old(&member), member.id.clone()));
    choice.truncate(surplus);
    Some(found.remedies(remedy::joins::protected(group, &choice)))
}
