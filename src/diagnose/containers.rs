//! Why pods that others wait for are not Ready.

mod creating;
mod image;

use std::time::Duration;

use jiff::Timestamp;

pub(super) use image::Registry;

use super::{Rule, Verdicts, limits, pending, remedy::containers as ways, scene::Scene, volumes};
use crate::domain::{By, Cause, Container, Finding, Grade, Node, Object, Pod, PodPhase, elapsed};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::PodCrashLoop,
        Cause::PodImagePull,
        Cause::PodConfigMissing,
        Cause::PodInitFails,
        Cause::PodNoAddress,
        Cause::PodSandbox,
        Cause::PodProbeGate,
        Cause::PodNotReady,
        Cause::PodStarting,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    // One that was told to stop is not expected to become Ready, and one without node or volume not to start.
    let starts = |pod: &&&Pod| !pending::is_unplaced(pod) && !volumes::is_kept(scene, pod);
    for pod in scene.unhealthy.values().filter(|pod| pod.deletion.is_none()).filter(starts) {
        let found = judge(scene, pod);
        if found.cause == Cause::PodStarting {
            verdicts.unknown.extend(creating::cannot_tell(scene, pod));
        }
        verdicts.found.push(found);
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
    let image = containers.clone().find_map(|container| Some((container, container.lacks_image()?)));
    let config = containers.clone().find_map(|container| Some((container, container.lacks_config()?)));
    if let Some(container) = crashing {
        if container.init { init_fails(scene, pod, container) } else { crash_loop(scene, pod, container) }
    } else if let Some((container, (reason, message))) = image {
        image::pull(scene, pod, container, reason, message)
    } else if let Some((container, words)) = config {
        config_missing(scene, pod, &container.name, By::Status, words)
    } else if pod.phase == PodPhase::Running {
        not_ready(scene, pod)
    } else {
        creating::judge(scene, pod)
    }
}

fn finding(cause: Cause, pod: &Pod, says: String) -> Finding {
    Finding::new(cause, Object::Pod(pod.id.clone()), says)
}

fn crash_loop(scene: &Scene<'_>, pod: &Pod, container: &Container) -> Finding {
    let says = format!("container {} of {} ends again and again", container.name, pod.id);
    let remedies = ways::crash_loop(scene, pod, container);
    ended(finding(Cause::PodCrashLoop, pod, says), container).remedies(remedies)
}

fn init_fails(scene: &Scene<'_>, pod: &Pod, container: &Container) -> Finding {
    let says = format!("init container {} of {} ends again and again", container.name, pod.id);
    ended(finding(Cause::PodInitFails, pod, says), container).remedies(ways::init_fails(scene, pod, &container.name))
}

/// How it ended, and what it said last.
fn ended(found: Finding, container: &Container) -> Finding {
    let found = found.by(By::Status, container.to_string());
    let exit = container.last_exit();
    let found = match exit.and_then(|exit| exit.message.as_deref()).map(str::trim).filter(|text| !text.is_empty()) {
        Some(message) => found.by(By::Status, format!("its last message: {message}")),
        None => found,
    };
    found.since(exit.and_then(|exit| exit.at))
}

fn config_missing(scene: &Scene<'_>, pod: &Pod, what: &str, by: By, words: &str) -> Finding {
    let says = format!("{what} of {} lacks something that its spec names", pod.id);
    let found = finding(Cause::PodConfigMissing, pod, says).by(by, words).since(Some(pod.created_at));
    found.remedies(ways::config_missing(scene, pod, words))
}

/// It runs: is it late, or only starting?
fn not_ready(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let node = pod.node.as_ref().and_then(|name| scene.view.snapshot.node(name));
    // What was not Ready with its node is given its time from when that is back.
    let since = pod.ready_since.unwrap_or(pod.created_at).max(node_ready_since(node));
    let slowest = slowest_sibling(scene, pod);
    let patience = (slowest.unwrap_or_default() * 2).clamp(limits::PROBE, limits::PROBE_MOST);
    let words = pod.trouble.as_ref().map_or_else(|| "its Ready condition is not True".to_owned(), ToString::to_string);
    if node.is_some_and(|node| !node.is_ready()) {
        // No pod is Ready there: that is about the node.
        return starting(scene, pod).by(By::Status, "its node is not Ready");
    }
    if scene.since(since) < patience {
        return starting(scene, pod).by(By::Status, words);
    }
    if let Some(gate) = pod.trouble.as_ref().and_then(|trouble| trouble.shut_gate()) {
        let says = format!("readiness gate {gate} of {} stays shut", pod.id);
        let found = finding(Cause::PodProbeGate, pod, says).by(By::Status, words).since(Some(since));
        return found.remedies(ways::probe_gate(pod, gate));
    }
    let siblings = slowest.map(|span| format!("; its siblings took {} at most", crate::domain::short(span)));
    let found = finding(Cause::PodNotReady, pod, format!("{} runs and does not become Ready", pod.id))
        .by(By::Status, format!("{words}{}", siblings.unwrap_or_default()))
        .since(Some(since))
        .remedies(ways::not_ready(scene, pod));
    let events = scene.events_of(pod);
    let found = found.cannot_tell("what its probe is answered", &events);
    match events.known().unwrap_or_default().iter().rfind(|event| event.reason == "Unhealthy") {
        Some(event) => found.by(By::Event, event.message.trim()),
        None => found,
    }
}

fn node_ready_since(node: Option<&Node>) -> Timestamp {
    node.and_then(|node| node.ready_since).unwrap_or(Timestamp::MIN)
}

fn starting(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let found = finding(Cause::PodStarting, pod, format!("{} is still starting", pod.id)).graded(Grade::Waits);
    let found = match slowest_sibling(scene, pod) {
        Some(span) => found.by(By::Status, format!("its siblings took {} at most", crate::domain::short(span))),
        None => found,
    };
    found.since(Some(pod.created_at)).remedies(ways::starting(pod))
}

/// How long the slowest of its siblings took to become Ready, where none lost it since.
fn slowest_sibling(scene: &Scene<'_>, pod: &Pod) -> Option<Duration> {
    let counted = scene.counted_by(pod).first().and_then(|pdb| scene.counted(pdb).known())?;
    let siblings = counted.iter().filter(|other| other.ready && other.owner == pod.owner);
    siblings.filter_map(|other| Some(elapsed(other.created_at, other.ready_since?))).max()
}
