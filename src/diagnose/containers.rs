//! Why pods that others wait for are not Ready.

use std::time::Duration;

use super::{Rule, Verdicts, limits, pending, remedy, scene::Scene, volumes};
use crate::domain::{By, Cause, Container, Finding, Grade, Known, Object, Pod, PodPhase, Sure, elapsed};

pub(super) const RULE: Rule =
    Rule { causes: &[Cause::PodCrashLoop, Cause::PodImagePull, Cause::PodNotReady, Cause::PodStarting], find };

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    // One that was told to stop is not expected to become Ready, and one without node or volume not to start.
    let starts = |pod: &&&Pod| !pending::is_unplaced(pod) && !volumes::is_kept(scene, pod);
    for pod in scene.unhealthy.values().filter(|pod| pod.deletion.is_none()).filter(starts) {
        verdicts.found.push(judge(scene, pod));
    }
}

/// Whether it will not become Ready by itself.
pub(super) fn is_broken(scene: &Scene<'_>, pod: &Pod) -> bool {
    judge(scene, pod).grade == Grade::Blocks
}

/// What is the matter with it, the first that is so.
fn judge(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let containers = pod.trouble.iter().flat_map(|trouble| &trouble.containers);
    let crashing = containers.clone().find(|container| container.crashes());
    let lacking = containers.clone().find_map(|container| Some((container, container.lacks_image()?)));
    if let Some(container) = crashing {
        crash_loop(pod, container)
    } else if let Some((container, (reason, message))) = lacking {
        image_pull(pod, container, reason, message)
    } else if pod.phase == PodPhase::Running {
        not_ready(scene, pod)
    } else {
        creating(scene, pod)
    }
}

fn finding(cause: Cause, pod: &Pod, says: String) -> Finding {
    Finding::new(cause, Object::Pod(pod.id.clone()), says)
}

fn crash_loop(pod: &Pod, container: &Container) -> Finding {
    let kind = if container.init { "init container" } else { "container" };
    let found =
        finding(Cause::PodCrashLoop, pod, format!("{kind} {} of {} ends again and again", container.name, pod.id));
    let found = found.by(By::Status, container.to_string());
    let exit = container.last_exit();
    let found = match exit.and_then(|exit| exit.message.as_deref()).map(str::trim).filter(|text| !text.is_empty()) {
        Some(message) => found.by(By::Status, format!("its last message: {message}")),
        None => found,
    };
    found.since(exit.and_then(|exit| exit.at)).remedies(remedy::crash_loop(pod, container))
}

fn image_pull(pod: &Pod, container: &Container, reason: &str, message: Option<&str>) -> Finding {
    let says = format!("the image {} of {} cannot be had", container.image, pod.id);
    let why = message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}"));
    finding(Cause::PodImagePull, pod, says).by(By::Status, why).remedies(remedy::image_pull(pod))
}

/// It runs: is it late, or only starting?
fn not_ready(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let since = pod.ready_since.unwrap_or(pod.created_at);
    let slowest = slowest_sibling(scene, pod);
    let patience = (slowest.unwrap_or_default() * 2).clamp(limits::PROBE, limits::PROBE_MOST);
    let words = pod.trouble.as_ref().map_or_else(|| "its Ready condition is not True".to_owned(), ToString::to_string);
    let node = pod.node.as_ref().and_then(|name| scene.view.snapshot.node(name));
    if node.is_some_and(|node| !node.is_ready()) {
        // No pod is Ready there: that is about the node.
        return starting(scene, pod).by(By::Status, "its node is not Ready");
    }
    if scene.since(since) < patience {
        return starting(scene, pod).by(By::Status, words);
    }
    let siblings = slowest.map(|span| format!("; its siblings took {} at most", crate::domain::short(span)));
    finding(Cause::PodNotReady, pod, format!("{} runs and does not become Ready", pod.id))
        .by(By::Status, format!("{words}{}", siblings.unwrap_or_default()))
        .since(Some(since))
        .remedies(remedy::not_ready(pod))
}

/// Images and volumes come: minutes are nothing odd.
fn creating(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let words = pod.trouble.as_ref().map_or_else(|| "the kubelet has not started it".to_owned(), ToString::to_string);
    let long = scene.since(pod.created_at) >= limits::CREATING;
    let found = starting(scene, pod).by(By::Status, words).remedies(remedy::starting(pod));
    if long { found.graded(Grade::Blocks).sure(Sure::Possible) } else { found }
}

fn starting(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let found = finding(Cause::PodStarting, pod, format!("{} is still starting", pod.id)).graded(Grade::Waits);
    let found = match slowest_sibling(scene, pod) {
        Some(span) => found.by(By::Status, format!("its siblings took {} at most", crate::domain::short(span))),
        None => found,
    };
    found.since(Some(pod.created_at)).remedies(remedy::starting(pod))
}

/// How long the slowest of its siblings took to become Ready, where none lost it since.
fn slowest_sibling(scene: &Scene<'_>, pod: &Pod) -> Option<Duration> {
    let counted = scene.blocked.keys().find_map(|pdb| match scene.counted(pdb) {
        Known::Is(pods) if pods.iter().any(|other| other.id.uid == pod.id.uid) => Some(pods),
        Known::Is(_) | Known::Unknown(_) => None,
    })?;
    let siblings = counted.iter().filter(|other| other.ready && other.owner == pod.owner);
    siblings.filter_map(|other| Some(elapsed(other.created_at, other.ready_since?))).max()
}
