//! Why the group brings no new instance.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Rule, Verdicts,
    eks_codes::{self, Meaning},
    group::tells_that_it_may_not_launch,
    launch_words, limits,
    remedy::launches as remedy,
    scene::Scene,
};
use crate::domain::{
    Ask, By, CannotTell, Cause, Finding, Grade, Group, Known, Lack, Lifecycle, Limits, Object, Pod, Process,
    ScalingActivity, Subject, Sure, elapsed,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::LaunchNoCapacity,
        Cause::LaunchQuota,
        Cause::LaunchNoAddresses,
        Cause::LaunchTemplate,
        Cause::LaunchAmi,
        Cause::LaunchKeyPair,
        Cause::LaunchKms,
        Cause::LaunchSpotPrice,
        Cause::LaunchSecurityGroup,
        Cause::LaunchUnsupported,
        Cause::LaunchDevice,
        Cause::LaunchRights,
        Cause::LaunchSuspended,
        Cause::LaunchAtMax,
        Cause::LaunchSilent,
        Cause::LaunchFails,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let Some(group) = scene.view.snapshot.group() else { return };
    let mut found: Vec<Finding> = at_max(scene, group).into_iter().collect();
    found.extend(no_address_for_an_extra_node(scene, group, verdicts));
    if is_about_the_group(scene) {
        found.extend(owed(scene, group));
        let told: BTreeSet<Cause> = found.iter().map(|finding| finding.cause).collect();
        found.extend(told_by_eks(scene, group).filter(|finding| !told.contains(&finding.cause)));
    }
    verdicts.found.extend(found);
}

/// What an upgrade meets at its first launch where no subnet has an address left: an extra node comes before an old one
/// gives its own back.
fn no_address_for_an_extra_node(scene: &Scene<'_>, group: &Group, verdicts: &mut Verdicts) -> Option<Finding> {
    let ahead = *scene.view.subject == Subject::BeforeUpgrade && !scene.view.old.is_empty();
    let limits = Limits::resolve(scene.view.policy, group, group.size.desired).ok()?;
    if !ahead || limits.surge == 0 {
        return None;
    }
    let subnets = match scene.ask(&Ask::subnets()) {
        Known::Is(subnets) => subnets,
        Known::Unknown(lacking @ Lack::Right(_)) => {
            verdicts.unknown.push(CannotTell { cause: Cause::LaunchNoAddresses, object: asg(group), lacking });
            return None;
        }
        // Whoever cannot say anything of subnets says it of a launch that failed.
        Known::Unknown(Lack::NotRead | Lack::Server(_) | Lack::NotOffered(_)) => return None,
    };
    if subnets.is_empty() || subnets.iter().any(|subnet| subnet.free > 0) {
        return None;
    }
    let says = format!("asg/{} could launch no extra node: none of its subnets has an address left", group.asg);
    let finding = Finding::new(Cause::LaunchNoAddresses, asg(group), says).sure(Sure::Likely);
    let finding = with_free_addresses(scene, finding);
    Some(finding.remedies(remedy::of(scene, Cause::LaunchNoAddresses, group, &[])))
}

/// Why instances that the group owes do not come.
fn owed(scene: &Scene<'_>, group: &Group) -> Vec<Finding> {
    let failed = failed_since_the_last_launch(group);
    if group.missing() == 0 {
        Vec::new()
    } else if group.suspended.contains(&Process::Launch) {
        if tells_that_it_may_not_launch(scene, group) { Vec::new() } else { vec![suspended(scene, group)] }
    } else if failed.is_empty() {
        silent(scene, group).into_iter().collect()
    } else {
        fails(scene, group, &failed)
    }
}

/// Whoever asks about a node or a pod is not told of launches that nothing of theirs waits for.
fn is_about_the_group(scene: &Scene<'_>) -> bool {
    match scene.view.subject {
        Subject::Run | Subject::Group | Subject::BeforeUpgrade | Subject::Update(_) => true,
        Subject::Nodes(_) | Subject::Pod(_) => false,
    }
}

/// Launches that failed and that none has followed which came to an instance, the newest first. One that failed in a zone
/// while another launched is among those that were followed.
fn failed_since_the_last_launch(group: &Group) -> Vec<&ScalingActivity> {
    let mut failed: Vec<&ScalingActivity> = Vec::new();
    for activity in &group.activities {
        let long_before = failed.last().is_some_and(|later: &&ScalingActivity| {
            elapsed(activity.started_at, later.started_at) > limits::LAUNCH_SERIES
        });
        if activity.is_launch_that_goes_on() || long_before {
            break;
        }
        if activity.is_failed_launch() {
            failed.push(activity);
        }
    }
    failed
}

/// Each cause that the failures tell, once.
fn fails(scene: &Scene<'_>, group: &Group, failed: &[&ScalingActivity]) -> Vec<Finding> {
    let mut by_cause: BTreeMap<Cause, Vec<&ScalingActivity>> = BTreeMap::new();
    for activity in failed {
        by_cause.entry(launch_words::cause(words(activity))).or_default().push(activity);
    }
    by_cause.into_iter().map(|(cause, activities)| fails_by(scene, group, cause, &activities)).collect()
}

/// One cause, by its failures, the newest first.
fn fails_by(scene: &Scene<'_>, group: &Group, cause: Cause, activities: &[&ScalingActivity]) -> Finding {
    let began = activities.last().map(|activity| activity.started_at);
    let tried_since = tried_since_it_was_owed(group, activities);
    let long = began.is_some_and(|began| scene.since(began) >= patience(cause));
    let mut finding = Finding::new(cause, asg(group), says(group, activities))
        .graded(if long && tried_since { Grade::Blocks } else { Grade::Waits })
        .sure(how_sure(cause))
        .since(began);
    for words in said(group, activities).into_iter().take(QUOTED) {
        finding = finding.by(By::Activity, words);
    }
    if cause == Cause::LaunchNoAddresses {
        finding = with_free_addresses(scene, finding);
    }
    finding.remedies(remedy::of(scene, cause, group, activities))
}

/// What they say, each text once with all places of which it was said, the newest first: EC2 names subnet and zone in it,
/// and Auto Scaling tries all of them in turn.
fn said(group: &Group, activities: &[&ScalingActivity]) -> Vec<String> {
    let mut texts: Vec<(String, &str, Vec<String>)> = Vec::new();
    for activity in activities {
        let (shape, place) = (shape(group, words(activity)), place(activity));
        match texts.iter_mut().find(|(known, ..)| *known == shape) {
            Some((.., places)) if place.is_empty() || places.contains(&place) => {}
            Some((.., places)) => places.push(place),
            None => texts.push((
                shape,
                words(activity),
                Some(place).filter(|place| !place.is_empty()).into_iter().collect(),
            )),
        }
    }
    let text = |(_, text, places): &(String, &str, Vec<String>)| match places.as_slice() {
        [] => (*text).to_owned(),
        [place] => format!("{text} ({place})"),
        [place, others @ ..] => format!("{text} ({place}; also {})", others.join("; ")),
    };
    texts.iter().map(text).collect()
}

/// A text without the words that say where.
fn shape(group: &Group, text: &str) -> String {
    let names_a_place =
        |word: &&str| word.contains("subnet-") || group.zones.iter().any(|zone| word.contains(zone.as_str()));
    text.split_whitespace().filter(|word| !names_a_place(word)).collect::<Vec<_>>().join(" ")
}

/// So many different texts of one cause are enough: they differ in type.
const QUOTED: usize = 3;

/// A group that has not tried again since an instance went may well succeed when it does.
fn tried_since_it_was_owed(group: &Group, activities: &[&ScalingActivity]) -> bool {
    let went = group.activities.iter().find(|activity| activity.is_termination()).map(|activity| activity.started_at);
    let newest = activities.first().map(|activity| activity.started_at);
    newest >= went
}

/// What is wrong with a template stays wrong; what AWS or a subnet lacks comes free again now and then.
fn patience(cause: Cause) -> Duration {
    let passes = [Cause::LaunchNoCapacity, Cause::LaunchQuota, Cause::LaunchNoAddresses, Cause::LaunchSpotPrice];
    if passes.contains(&cause) { limits::LAUNCH_PASSES } else { limits::LAUNCH_TRIED }
}

fn how_sure(cause: Cause) -> Sure {
    // "Client error on launch" is how many faults at the start are worded; a key without rights is the most usual.
    if cause == Cause::LaunchKms { Sure::Likely } else { Sure::Certain }
}

fn says(group: &Group, activities: &[&ScalingActivity]) -> String {
    let mut zones: Vec<&str> =
        activities.iter().filter_map(|activity| activity.zone.as_ref()).map(crate::domain::Zone::as_str).collect();
    zones.sort_unstable();
    zones.dedup();
    match zones.as_slice() {
        [] => format!("asg/{} cannot launch an instance", group.asg),
        zones => format!("asg/{} cannot launch an instance in {}", group.asg, zones.join(", ")),
    }
}

/// Auto Scaling's own words, to be shown as they are.
fn words(activity: &ScalingActivity) -> &str {
    activity.message.as_deref().unwrap_or(&activity.description)
}

/// `zone eu-west-1a, subnet-0a1b`
fn place(activity: &ScalingActivity) -> String {
    let zone = activity.zone.as_ref().map(|zone| format!("zone {zone}"));
    let known: Vec<_> = zone.into_iter().chain(activity.subnet.clone()).collect();
    known.join(", ")
}

/// How many addresses each subnet has left: the text names one of them only. Without the right to see it the text is enough.
fn with_free_addresses(scene: &Scene<'_>, finding: Finding) -> Finding {
    let Known::Is(subnets) = scene.ask(&Ask::subnets()) else { return finding };
    let free: Vec<_> =
        subnets.iter().map(|subnet| format!("{} ({}) {}", subnet.id, subnet.zone, subnet.free)).collect();
    if free.is_empty() {
        finding
    } else {
        finding.by(By::Status, format!("addresses that are free: {}", free.join(", ")))
    }
}

fn suspended(scene: &Scene<'_>, group: &Group) -> Finding {
    let says = format!("asg/{} may not launch: its process Launch is suspended", group.asg);
    let finding = Finding::new(Cause::LaunchSuspended, asg(group), says);
    with_what_it_owes(scene, group, finding).remedies(remedy::suspended(group))
}

/// With what such a group lacks, and since when.
pub(super) fn with_what_it_owes(scene: &Scene<'_>, group: &Group, finding: Finding) -> Finding {
    let why = format!("{} short of {}, and SuspendedProcesses names Launch", group.missing(), group.size.desired);
    let finding = finding.by(By::Status, why);
    let failed = failed_since_the_last_launch(group);
    // AWS itself suspends a group whose launches have failed for a day.
    let before = failed.first().map(|activity| format!("the last launch before failed: {}", words(activity)));
    let finding = before.into_iter().fold(finding, |finding, text| finding.by(By::Activity, text));
    finding.since(owed_since(scene, group))
}

/// Nothing at all happens: not even a launch that fails.
fn silent(scene: &Scene<'_>, group: &Group) -> Option<Finding> {
    if group.is_launching() {
        return None;
    }
    let since = owed_since(scene, group)?;
    let leaves = group.instances.values().find(|instance| matches!(instance.lifecycle, Lifecycle::Terminating(_)));
    let long = scene.since(since) >= limits::LAUNCH_SILENT;
    let says = format!("asg/{} owes {} and does nothing", group.asg, count(group.missing()));
    let why = format!("wanted are {}, and no launch has begun since, not even one that failed", group.size.desired);
    let finding = Finding::new(Cause::LaunchSilent, asg(group), says)
        .graded(if long && leaves.is_none() { Grade::Blocks } else { Grade::Waits })
        .sure(Sure::Likely)
        .by(By::Absence, why)
        .since(Some(since));
    let finding = match leaves {
        Some(instance) => finding.by(
            By::Status,
            format!("instance/{} is still {}, and the group may count it", instance.id, instance.lifecycle),
        ),
        None => finding,
    };
    Some(finding.remedies(remedy::silent(group)))
}

/// Since when the group is short: as a run knows, else since the last instance went.
fn owed_since(scene: &Scene<'_>, group: &Group) -> Option<Timestamp> {
    let went = group.activities.iter().find(|activity| activity.is_termination()).map(|activity| activity.started_at);
    scene.owed.iter().filter_map(|owed| owed.since).min().or(went)
}

/// A group at its maximum cannot grow for pods that have no room; a replacement needs no room to grow.
fn at_max(scene: &Scene<'_>, group: &Group) -> Option<Finding> {
    let Group { size, .. } = group;
    if size.desired < size.max || group.missing() > 0 || group.is_launching() {
        return None;
    }
    let without_room: Vec<&Pod> = scene.unhealthy.values().copied().filter(|pod| has_no_room(scene, pod)).collect();
    let first = without_room.first()?;
    let says = format!("asg/{} is at its maximum of {}: no node can be added", group.asg, size.max);
    let more = without_room.len() - 1;
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    let finding = Finding::new(Cause::LaunchAtMax, asg(group), says)
        .sure(Sure::Likely)
        .by(By::Arithmetic, format!("wanted {} of at most {}", size.desired, size.max))
        .by(By::Status, format!("no node has room for {}{others}", first.id));
    Some(finding.remedies(remedy::at_max(group)))
}

/// Whether a pod waits for more room than there is, and has done so for as long as anything that moves would take.
fn has_no_room(scene: &Scene<'_>, pod: &Pod) -> bool {
    lacks_room(pod) && scene.since(pod.created_at) >= limits::PENDING
}

/// Whether one node more would help it.
pub(super) fn lacks_room(pod: &Pod) -> bool {
    let unscheduled = pod.trouble.as_ref().and_then(|trouble| trouble.unscheduled.as_ref());
    let said = unscheduled.and_then(|unscheduled| unscheduled.message.as_deref()).unwrap_or_default();
    ["Insufficient ", "Too many pods"].iter().any(|words| said.contains(words))
}

/// Health issues of the node group and errors of its update that say why it cannot launch.
fn told_by_eks(scene: &Scene<'_>, group: &Group) -> impl Iterator<Item = Finding> {
    let told = eks_codes::said(scene).into_iter();
    told.filter_map(move |said| {
        let Meaning::Cause(cause) = said.meaning else { return None };
        let ours = RULE.causes.contains(&cause);
        ours.then(|| {
            let says = format!("asg/{} cannot launch an instance, says EKS", group.asg);
            let finding = Finding::new(cause, asg(group), says).graded(said.grade).by(By::Eks, said.words());
            finding.since(said.since).remedies(remedy::of(scene, cause, group, &[]))
        })
    })
}

fn asg(group: &Group) -> Object {
    Object::Asg(group.asg.clone())
}

fn count(missing: u32) -> String {
    if missing == 1 { "1 instance".to_owned() } else { format!("{missing} instances") }
}
