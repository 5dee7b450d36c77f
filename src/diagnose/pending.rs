//! Why pods that others wait for have no node.

use std::collections::BTreeMap;

use super::{
    Rule, Verdicts, limits,
    placing::{Placing, Stranded, TooLarge, Why},
    remedy::pending as remedy,
    requests,
    scene::{Scene, behind},
};
use crate::domain::{
    Ask, By, CannotTell, Cause, Finding, Grade, NodeName, Object, PdbRule, Pod, PodPhase, Requirement, Selector,
    SelectorOperator, Sure, Taint,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::NoCapacity,
        Cause::PodTooLarge,
        Cause::PodAffinity,
        Cause::PodAntiAffinity,
        Cause::PodTaints,
        Cause::SchedulingGated,
        Cause::NoScheduler,
        Cause::ClaimPending,
        Cause::PodPending,
        Cause::VolumeZone,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    for (pod, placing) in scene.placings() {
        for (cause, lacking) in &placing.lacking {
            let object = Object::Pod(pod.id.clone());
            verdicts.unknown.push(CannotTell { cause: *cause, object, lacking: lacking.clone() });
        }
        verdicts.found.extend(judge(scene, pod, placing));
    }
}

/// Whether it is to get a node and has none.
pub(super) fn is_unplaced(pod: &Pod) -> bool {
    pod.node.is_none() && pod.deletion.is_none() && pod.phase == PodPhase::Pending
}

fn judge(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>) -> Option<Finding> {
    let found = match &placing.why {
        Why::Gated => gated(pod, placing),
        Why::NotLookedAt => not_looked_at(scene, pod, placing)?,
        Why::Unbound(claim) => unbound(scene, pod, claim),
        Why::Stranded(stranded) => stranded_by(pod, stranded),
        Why::TooLarge(too_large) => larger_than_all(pod, placing, too_large),
        Why::NoRoom => no_room(scene, pod, placing),
        Why::AllOut(nodes) => all_out(pod, nodes),
        Why::Apart { short } => apart(scene, pod, placing, *short),
        Why::Affinity(lacking) => affinity(scene, pod, placing, lacking),
        Why::Tainted(taints) => tainted(scene, pod, placing, taints),
        Why::Unclear => unclear(scene, pod, placing),
    };
    let words = placing.said.as_ref().map(|said| format!("the scheduler says: {}", said.words));
    let found = words.into_iter().fold(found, |found, words| found.by(By::Status, words));
    let found = found.graded(grade(scene, pod, placing)).since(Some(pod.created_at));
    let comes = placing.waits_for_nodes() && scene.expects_nodes();
    Some(if comes { found.by(By::Status, "nodes are on their way that may take it") } else { found })
}

/// Somebody must act once what moves in a cluster within seconds has moved, and no node is on its way that helps.
fn grade(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>) -> Grade {
    let waited = scene.since(pod.created_at);
    let comes = placing.waits_for_nodes() && scene.expects_nodes() && waited < limits::CREATING;
    if waited < limits::PENDING || comes || placing.is_unread() { Grade::Waits } else { Grade::Blocks }
}

fn finding(cause: Cause, pod: &Pod, says: String) -> Finding {
    Finding::new(cause, Object::Pod(pod.id.clone()), says)
}

fn gated(pod: &Pod, placing: &Placing<'_>) -> Finding {
    let gates = gates(pod, placing);
    let named = if gates.is_empty() { String::new() } else { format!(": {}", gates.join(", ")) };
    finding(Cause::SchedulingGated, pod, format!("{} has scheduling gates and is not to be placed yet", pod.id))
        .by(By::Spec, format!("spec.schedulingGates is not empty{named}"))
        .remedies(remedy::gated(pod, &gates))
}

/// As the pod has them; those of its template where that was not told.
fn gates(pod: &Pod, placing: &Placing<'_>) -> Vec<String> {
    let own = pod.trouble.iter().flat_map(|trouble| trouble.gates.clone());
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        return own;
    }
    let gates = placing.template.and_then(|template| template["schedulingGates"].as_array());
    gates.into_iter().flatten().filter_map(|gate| Some(gate["name"].as_str()?.to_owned())).collect()
}

/// Nothing is said of a pod that is seconds old.
fn not_looked_at(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>) -> Option<Finding> {
    if scene.since(pod.created_at) < limits::PENDING {
        return None;
    }
    let scheduler = placing.template.and_then(|template| template["schedulerName"].as_str());
    let named = scheduler.map(|name| format!("spec.schedulerName of its template is {name}"));
    let found = finding(Cause::NoScheduler, pod, format!("no scheduler has looked at {}", pod.id))
        .by(By::Absence, "it is Pending without the condition PodScheduled");
    let found = named.into_iter().fold(found, |found, named| found.by(By::Spec, named));
    Some(found.remedies(remedy::no_scheduler(pod, scheduler)))
}

fn unbound(scene: &Scene<'_>, pod: &Pod, name: &str) -> Finding {
    let object = Object::Claim { namespace: pod.id.namespace.clone(), name: name.to_owned() };
    let claim = scene.ask(&Ask::claim(&pod.id.namespace, name));
    let status = match claim.clone().known() {
        Some(None) => Some((By::Absence, format!("there is no claim {name}"))),
        Some(Some(claim)) => {
            let class = claim.class.as_deref().map(|class| format!(", its storage class is {class}"));
            let missing = if claim.class_exists == Some(false) { ", which does not exist" } else { "" };
            Some((By::Status, format!("the claim is {}{}{missing}", claim.phase, class.unwrap_or_default())))
        }
        None => None,
    };
    let found =
        Finding::new(Cause::ClaimPending, object.clone(), format!("{object} has no volume, and {} waits", pod.id));
    let found = status.into_iter().fold(found, |found, (by, says)| found.by(by, says));
    let events = scene.ask(&Ask::events(&object));
    let found = found.cannot_tell("what it lacks", &claim).cannot_tell("what its provisioner says", &events);
    let said = events.known().and_then(|events| {
        events.iter().rev().find(|event| matches!(event.reason.as_str(), "ProvisioningFailed" | "FailedBinding"))
    });
    let found = said
        .into_iter()
        .fold(found, |found, event| found.by(By::Event, format!("{}: {}", event.reason, event.message)));
    found.remedies(remedy::unbound(pod, name))
}

fn stranded_by(pod: &Pod, stranded: &Stranded<'_>) -> Finding {
    let Stranded { claim, zones, hosts, cordoned, grouped: _ } = stranded;
    let object = Object::Claim { namespace: pod.id.namespace.clone(), name: (*claim).to_owned() };
    let where_to = match (hosts.is_empty(), zones.is_empty()) {
        (false, _) => format!("on {}", hosts.join(", ")),
        (true, false) => format!("in {}", zones.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        (true, true) => "where no node takes pods now".to_owned(),
    };
    let says = format!("the volume of {object} can only be used {where_to}, and no node there takes {}", pod.id);
    let found = Finding::new(Cause::VolumeZone, object, says);
    let found = if zones.is_empty() && hosts.is_empty() {
        found.sure(Sure::Likely)
    } else {
        let out = if cordoned.is_empty() { String::new() } else { format!("; cordoned: {}", listed(cordoned)) };
        found.by(By::Spec, format!("no node that is Ready and not cordoned is {where_to}{out}"))
    };
    found.remedies(remedy::stranded(cordoned))
}

fn larger_than_all(pod: &Pod, placing: &Placing<'_>, too_large: &TooLarge) -> Finding {
    let TooLarge { resource, asks, most, larger } = too_large;
    let (asks, most) = (requests::written(resource, *asks), requests::written(resource, *most));
    let found = finding(Cause::PodTooLarge, pod, format!("{} asks for more {resource} than any node has", pod.id)).by(
        By::Arithmetic,
        format!("it asks for {asks} {resource}, and the largest node that it may go to offers {most} in all"),
    );
    let found = if larger.is_empty() {
        found
    } else {
        found.by(By::Spec, format!("large enough, and cordoned: {}", listed(larger)))
    };
    found.remedies(remedy::too_large(pod, placing.template, too_large))
}

fn no_room(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>) -> Finding {
    let asks = placing.template.map(requests::of).unwrap_or_default();
    let short = placing.said.iter().flat_map(|said| &said.reasons);
    let short = short.filter_map(|(count, reason)| {
        let resource = reason.resource()?;
        let nodes = if *count == 1 { "1 node has".to_owned() } else { format!("{count} nodes have") };
        let asked = asks.get(resource).map(|amount| format!(" (it asks for {})", requests::written(resource, *amount)));
        Some(match resource {
            "pods" => format!("{nodes} as many pods as may be there"),
            resource => format!("{nodes} too little {resource} left{}", asked.unwrap_or_default()),
        })
    });
    finding(Cause::NoCapacity, pod, format!("no node has room for {}", pod.id))
        .by(By::Arithmetic, short.collect::<Vec<_>>().join(", "))
        .remedies(remedy::no_room(pod, fewer(scene, pod, placing)))
}

fn all_out(pod: &Pod, nodes: &[NodeName]) -> Finding {
    let found =
        finding(Cause::NoCapacity, pod, format!("the nodes that {} may go to are cordoned or not Ready", pod.id));
    let found = if nodes.is_empty() { found } else { found.by(By::Spec, format!("it may go to {}", listed(nodes))) };
    found.remedies(remedy::no_room(pod, None))
}

fn apart(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>, short: Option<(u32, usize)>) -> Finding {
    let found =
        finding(Cause::PodAntiAffinity, pod, format!("{} must not share a node with the pods that are there", pod.id));
    let found = match short {
        Some((replicas, places)) => found.by(
            By::Arithmetic,
            format!("{replicas} replicas are to be kept apart and there are {places} places for them, with cordoned nodes and those to come"),
        ),
        None => found,
    };
    found.remedies(remedy::apart(pod, placing.workload, fewer(scene, pod, placing)))
}

fn affinity(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>, lacking: &[Requirement]) -> Finding {
    let found = finding(Cause::PodAffinity, pod, format!("no node that is left has what {} asks for", pod.id));
    let found = if lacking.is_empty() {
        found
    } else {
        let demands: Vec<_> = lacking.iter().map(demand).collect();
        found.by(By::Spec, format!("it asks for {}", demands.join(" and ")))
    };
    let newest = scene.view.snapshot.nodes().values().filter(|node| node.is_ready() && !node.unschedulable);
    let newest = newest.max_by_key(|node| (node.created_at, &node.name));
    found.remedies(remedy::affinity(pod, placing.template, lacking, newest))
}

fn tainted(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>, taints: &BTreeMap<NodeName, Vec<&Taint>>) -> Finding {
    let mut kinds: Vec<&Taint> = taints.values().flatten().copied().collect();
    kinds.sort();
    kinds.dedup();
    let named: Vec<_> = kinds.iter().map(|taint| taint_words(taint)).collect();
    let nodes: Vec<_> = taints.keys().cloned().collect();
    finding(Cause::PodTaints, pod, format!("{} does not tolerate the taint of any node that is left", pod.id))
        .by(By::Spec, format!("{} on {}", named.join(" and "), listed(&nodes)))
        .remedies(remedy::tainted(scene, pod, placing.template, taints))
}

fn unclear(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>) -> Finding {
    let unscheduled = pod.trouble.as_ref().and_then(|trouble| trouble.unscheduled.as_ref());
    let message = unscheduled.and_then(|it| it.message.as_deref()).filter(|message| !message.is_empty());
    let words = message.or(unscheduled.map(|it| it.reason.as_str())).unwrap_or_default();
    let found = finding(Cause::PodPending, pod, format!("no node takes {}", pod.id));
    // A sentence that can be taken apart is told once, by whoever told what decides it.
    let found = if super::scheduler_words::parse(words).is_some() {
        found
    } else {
        found.by(By::Status, format!("the scheduler says: {words}"))
    };
    found.remedies(remedy::unclear(pod, words, fewer(scene, pod, placing)))
}

/// One replica less lets a budget that counts how many may be out allow again; one that counts how many must stay does not.
fn fewer(scene: &Scene<'_>, pod: &Pod, placing: &Placing<'_>) -> Option<(Object, u32)> {
    let replicas = placing.workload?.replicas.filter(|replicas| *replicas > 1)?;
    let mut over = scene.counted_by(pod).iter().filter_map(|pdb| scene.blocked.get(pdb));
    let helps = over.all(|(pdb, _)| matches!(pdb.rule, PdbRule::MaxUnavailable(_)));
    let workload = behind(pod);
    let scales = matches!(&workload, Object::Workload { owner, .. } if matches!(owner.kind.as_str(), "Deployment" | "StatefulSet"));
    (helps && scales).then_some((workload, replicas))
}

/// `pool=shop`, as people write it.
fn demand(requirement: &Requirement) -> String {
    match (requirement.operator, requirement.values.as_slice()) {
        (SelectorOperator::In, [only]) => format!("{}={only}", requirement.key),
        (
            SelectorOperator::In
            | SelectorOperator::NotIn
            | SelectorOperator::Exists
            | SelectorOperator::DoesNotExist
            | SelectorOperator::Gt
            | SelectorOperator::Lt,
            _,
        ) => {
            let requirements = vec![requirement.clone()];
            Selector { requirements, absent: false }.to_query()
        }
    }
}

/// `gpu=yes:NoSchedule`, as kubectl takes it.
pub(super) fn taint_words(taint: &Taint) -> String {
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    format!("{}{value}:{}", taint.key, taint.effect)
}

/// The first few of them.
fn listed(nodes: &[NodeName]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = nodes.iter().take(SHOWN).map(|node| format!("node/{node}")).collect();
    let more = nodes.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
