//! What keeps pods that are to leave, budgets aside.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    Rule, Verdicts, limits, remedy,
    scene::{Leaver, Scene, behind},
};
use crate::{
    domain::{
        By, Cause, Deletion, Finding, Grade, NodeName, NodegroupStatus, Object, Pod, Readiness, Subject, Sure,
        Toleration, elapsed, later, short,
    },
    drain::{Fate, Stays, grace_for},
    engine::phase::NodePhase,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::LandsBack,
        Cause::BarePod,
        Cause::LongGrace,
        Cause::StuckTerminating,
        Cause::Finalizer,
        Cause::StaysByDesign,
        Cause::AutoscalerKeeps,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let found = &mut verdicts.found;
    for leaver in &scene.leavers {
        match leaver.fate {
            Fate::Stays(_) | Fate::Stopping => {}
            Fate::Unmanaged => found.push(bare_pod(leaver.pod)),
            Fate::Leaves => found.extend(long_grace_ahead(scene, leaver.pod)),
        }
    }
    for (pod, leaver) in stopping(scene) {
        found.extend(pod.deletion.and_then(|deletion| on_its_way(scene, pod, deletion, leaver)));
    }
    found.extend(lands_back(scene));
    found.extend(stays_by_design(scene));
    found.extend(autoscaler_keeps(scene));
}

/// Pods that were told to stop: those that are to leave, and those that use up a budget elsewhere.
fn stopping<'a>(scene: &Scene<'a>) -> Vec<(&'a Pod, Option<Leaver<'a>>)> {
    let leavers: BTreeMap<_, _> = scene.leavers.iter().map(|leaver| (&leaver.pod.id.uid, *leaver)).collect();
    let others = scene.unhealthy.values().filter(|pod| !leavers.contains_key(&pod.id.uid)).map(|pod| (*pod, None));
    let ours = leavers.values().map(|leaver| (leaver.pod, Some(*leaver)));
    ours.chain(others).filter(|(pod, _)| pod.deletion.is_some()).collect()
}

fn bare_pod(pod: &Pod) -> Finding {
    Finding::new(Cause::BarePod, Object::Pod(pod.id.clone()), format!("{} has no controller", pod.id))
        .by(
            By::Spec,
            "no ownerReference of a controller: nobody would bring it back, and --delete-unmanaged was not given",
        )
        .since(Some(pod.created_at))
        .remedies(remedy::bare_pod(&pod.id))
}

fn on_its_way(scene: &Scene<'_>, pod: &Pod, deletion: Deletion, leaver: Option<Leaver<'_>>) -> Option<Finding> {
    if let Some(since) = pod.finalizers_keep_since() {
        let overdue = later(since, limits::OVERDUE) < scene.view.now;
        return overdue.then(|| kept_by_finalizers(pod, since));
    }
    let overdue = later(deletion.due, limits::OVERDUE) < scene.view.now;
    if !overdue {
        return stops_late(scene, pod, deletion, leaver);
    }
    let node = pod.node.as_ref().and_then(|name| scene.view.snapshot.node(name));
    if node.is_some_and(|node| node.ready == Readiness::Unknown) {
        // Nobody there would say that it has stopped: that is about the node.
        return None;
    }
    Some(stuck(pod, deletion))
}

fn kept_by_finalizers(pod: &Pod, since: Timestamp) -> Finding {
    let says = format!("{} keeps {}", pod.finalizers.join(", "), pod.id);
    let why = "its containers have ended, and the object stays until whoever set that has taken it away";
    let finding = Finding::new(Cause::Finalizer, Object::Pod(pod.id.clone()), says).sure(Sure::Likely);
    let finding = finding.by(By::Spec, why).since(Some(since));
    let finding = if pod.keeps_its_place() {
        finding.by(By::Status, "its StatefulSet makes no other pod of that name before it is gone")
    } else {
        finding
    };
    finding.remedies(remedy::finalizer(pod))
}

fn stuck(pod: &Pod, deletion: Deletion) -> Finding {
    let says = format!("{} was told to stop and does not go", pod.id);
    let why = "its grace period is over, and the kubelet has not said that its containers ended";
    let finding = Finding::new(Cause::StuckTerminating, Object::Pod(pod.id.clone()), says).by(By::Status, why);
    let finding = if pod.finalizers.is_empty() {
        finding
    } else {
        finding.by(By::Spec, format!("when they have, {} still keeps its record", pod.finalizers.join(", ")))
    };
    finding.since(Some(deletion.due)).remedies(remedy::stuck_terminating(pod))
}

/// One that stops in its own time, where that is more than its node has.
fn stops_late(scene: &Scene<'_>, pod: &Pod, deletion: Deletion, leaver: Option<Leaver<'_>>) -> Option<Finding> {
    let patience = scene.view.policy.drain_timeout;
    let flight = leaver.and_then(|leaver| leaver.flight);
    // Of what its node waits, that which is left when it is told to stop.
    let has = match flight.map(|flight| &flight.phase) {
        Some(NodePhase::Draining { deadline }) => elapsed(deletion.asked_at(), *deadline),
        Some(
            NodePhase::Cordoning
            | NodePhase::Settling { .. }
            | NodePhase::Terminating { .. }
            | NodePhase::Replacing { .. }
            | NodePhase::Releasing
            | NodePhase::Quarantined,
        )
        | None => patience,
    };
    let too_late = u64::from(deletion.grace_seconds) > has.as_secs();
    if !too_late {
        return None;
    }
    let ends = leaver.is_some_and(|leaver| patience_ends(scene, leaver)) && !scene.view.policy.force;
    let grade = if ends && has_had_time(scene, deletion) { Grade::Blocks } else { Grade::Waits };
    let grace = short(Duration::from_secs(deletion.grace_seconds.into()));
    let says = format!("{} may take {grace} to stop", pod.id);
    let why = format!("it is due at {}, and a node waits {} for its pods", deletion.due, short(patience));
    let finding = Finding::new(Cause::LongGrace, Object::Pod(pod.id.clone()), says).graded(grade).by(By::Status, why);
    let at_most = has.saturating_sub(limits::OVERDUE);
    Some(finding.remedies(remedy::long_grace_under_way(pod, deletion.grace_seconds, at_most)))
}

/// Whether somebody empties its node who gives up in the end: a run of ours, or EKS (after fifteen minutes as well). A
/// drain by hand waits for as long as it takes.
fn patience_ends(scene: &Scene<'_>, leaver: Leaver<'_>) -> bool {
    let nodegroup = scene.view.snapshot.group().and_then(|group| group.nodegroup.as_ref());
    let by_eks = nodegroup.is_some_and(|nodegroup| nodegroup.status == NodegroupStatus::Updating);
    leaver.flight.is_some() || leaver.node.marks.run().is_some() || by_eks
}

/// Whether it would have stopped by now if it were one of those that stop early, which most do.
fn has_had_time(scene: &Scene<'_>, deletion: Deletion) -> bool {
    scene.since(deletion.asked_at()) >= limits::STOPS_EARLY
}

/// One that was not told yet and may take longer than its node would wait. Most stop early: nobody can tell.
fn long_grace_ahead(scene: &Scene<'_>, pod: &Pod) -> Option<Finding> {
    match scene.view.subject {
        Subject::BeforeUpgrade | Subject::Nodes(_) | Subject::Pod(_) => {}
        Subject::Run | Subject::Group | Subject::Update(_) => return None,
    }
    let grace = grace_for(pod, scene.view.policy).unwrap_or(pod.grace_seconds);
    let patience = scene.view.policy.drain_timeout;
    if u64::from(grace) <= patience.as_secs() {
        return None;
    }
    let span = short(Duration::from_secs(grace.into()));
    let says = format!("{} may take {span} to stop", pod.id);
    let why = format!("terminationGracePeriodSeconds {grace}, and a node waits {} for its pods", short(patience));
    let finding = Finding::new(Cause::LongGrace, Object::Pod(pod.id.clone()), says);
    let finding = finding.graded(Grade::Waits).sure(Sure::Possible).by(By::Spec, why);
    Some(finding.remedies(remedy::long_grace_ahead(pod, grace)))
}

/// Pods that came back, or would, by what a person changes to keep them off.
fn lands_back(scene: &Scene<'_>) -> Vec<Finding> {
    let mut loops: BTreeMap<Object, (&Pod, &Toleration, Grade)> = BTreeMap::new();
    for leaver in &scene.leavers {
        let Some(toleration) = leaver.pod.tolerates_cordon() else { continue };
        let Some(grade) = comes_back(scene, leaver) else { continue };
        let entry = loops.entry(behind(leaver.pod)).or_insert((leaver.pod, toleration, grade));
        entry.2 = entry.2.min(grade);
    }
    let found = loops.into_iter().map(|(object, (pod, toleration, grade))| {
        let key = toleration
            .key
            .as_ref()
            .map_or_else(|| "operator: Exists, without a key".to_owned(), |key| format!("key: {key}"));
        let verb = if grade == Grade::Blocks { "come back" } else { "may come back" };
        let finding =
            Finding::new(Cause::LandsBack, object.clone(), format!("pods of {object} {verb} onto the cordoned node"));
        let finding = finding.graded(grade).by(By::Spec, format!("they tolerate the taint of a cordoned node ({key})"));
        let seen = match grade {
            Grade::Blocks => finding.by(By::Seen, format!("{} was made after the cordon and runs there", pod.id)),
            Grade::Waits | Grade::Notes => finding.sure(Sure::Possible),
        };
        seen.remedies(remedy::leaving::lands_back(scene, pod, &object))
    });
    found.collect()
}

/// Whether it is one that came back; before anything was tried, that it may.
fn comes_back(scene: &Scene<'_>, leaver: &Leaver<'_>) -> Option<Grade> {
    let pod = leaver.pod;
    match (leaver.flight, leaver.node.cordoned_at) {
        (Some(flight), _) => {
            let again = flight.landed().contains_key(&pod.id.uid) && flight.landed().len() >= limits::LAND_BACKS;
            again.then_some(Grade::Blocks)
        }
        (None, Some(cordoned_at)) => {
            // Made in the moment of the cordon it may have been bound before that was seen; but one that is still there
            // was not sent away, and whoever sends it away gets another.
            let stays = scene.since(pod.created_at) >= limits::PENDING;
            let after = if stays { cordoned_at } else { later(cordoned_at, limits::CORDON_SEEN) };
            (pod.created_at > after).then_some(Grade::Blocks)
        }
        (None, None) => (*scene.view.subject == Subject::BeforeUpgrade).then_some(Grade::Notes),
    }
}

/// Pods that need not leave, for whoever asks about the node or the pod.
fn stays_by_design(scene: &Scene<'_>) -> Vec<Finding> {
    let asked = match scene.view.subject {
        Subject::Nodes(_) | Subject::Pod(_) => true,
        Subject::Run | Subject::Group | Subject::BeforeUpgrade | Subject::Update(_) => false,
    };
    let mut by_node: BTreeMap<&NodeName, Vec<&str>> = BTreeMap::new();
    for stayer in scene.stayers.iter().filter(|_| asked) {
        if let Fate::Stays(Stays::DaemonSet | Stays::Mirror) = stayer.fate {
            by_node.entry(&stayer.node.name).or_default().push(&stayer.pod.id.name);
        }
    }
    let found = by_node.into_iter().map(|(node, pods)| {
        let says = format!("{} of the pods on node/{node} stay until it goes", pods.len());
        let finding = Finding::new(Cause::StaysByDesign, Object::Node(node.clone()), says).graded(Grade::Notes);
        finding.by(By::Spec, format!("a DaemonSet's, or static: {}", pods.join(", ")))
    });
    found.collect()
}

/// Pods that somebody did not want to be moved, by what a person changes to change them: evictions do not heed that.
fn autoscaler_keeps(scene: &Scene<'_>) -> Vec<Finding> {
    let mut kept: BTreeMap<Object, &str> = BTreeMap::new();
    for leaver in &scene.leavers {
        if let Some(annotation) = &leaver.pod.no_scale_down {
            kept.entry(behind(leaver.pod)).or_insert(annotation);
        }
    }
    let found = kept.into_iter().map(|(object, annotation)| {
        let says = format!("an autoscaler is told to leave the pods of {object} where they are; an eviction is not");
        Finding::new(Cause::AutoscalerKeeps, object, says).graded(Grade::Notes).by(By::Spec, annotation)
    });
    found.collect()
}
