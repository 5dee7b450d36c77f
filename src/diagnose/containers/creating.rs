//! Pods that have a node and no container yet: images and volumes take their time, a network that is broken does not.

use super::{config_missing, finding, starting, ways};
use crate::{
    diagnose::{limits, scene::Scene},
    domain::{Ask, By, CannotTell, Cause, ContainerState, Finding, Grade, Known, KubeEvent, Object, Pod, Sure},
};

/// What the VPC CNI says when it has none left.
const NO_ADDRESS: &str = "failed to assign an IP address";

/// Whether it takes its time, or something is in its way that the kubelet has told.
pub(super) fn judge(scene: &Scene<'_>, pod: &Pod) -> Finding {
    let events = told(scene, pod).and_then(Known::known).unwrap_or_default();
    let last = |reason: &str| events.iter().rfind(|event| event.reason == reason).copied();
    if let Some(event) = last("FailedCreatePodSandBox").filter(|event| lasts(scene, event)) {
        return no_sandbox(scene, pod, event);
    }
    if let Some(event) = last("FailedMount").filter(|event| lasts(scene, event) && names_what_lacks(&event.message)) {
        return config_missing(scene, pod, "a volume", By::Event, &event.message);
    }
    let words = pod.trouble.as_ref().map_or_else(|| "the kubelet has not started it".to_owned(), ToString::to_string);
    let long = scene.since(pod.created_at) >= limits::CREATING;
    if let Some(init) = running_init(pod).filter(|_| long) {
        let says = format!("init container {init} of {} does not end", pod.id);
        let found = finding(Cause::PodInitFails, pod, says).sure(Sure::Likely).by(By::Status, words);
        return found.since(Some(pod.created_at)).remedies(ways::init_fails(scene, pod, init));
    }
    let found = starting(scene, pod).by(By::Status, words);
    if long { found.graded(Grade::Blocks).sure(Sure::Possible) } else { found }
}

/// Why it cannot be told what keeps it, where that is no answer that is still under way.
pub(super) fn cannot_tell(scene: &Scene<'_>, pod: &Pod) -> Option<CannotTell> {
    let lacking = told(scene, pod)?.lacking()?;
    Some(CannotTell { cause: Cause::PodSandbox, object: Object::Pod(pod.id.clone()), lacking })
}

/// What the kubelet told of it; nothing is asked of one that was only just made, or that runs.
fn told<'a>(scene: &Scene<'a>, pod: &Pod) -> Option<Known<Vec<&'a KubeEvent>>> {
    let made = pod.node.is_some() && pod.phase == crate::domain::PodPhase::Pending;
    (made && scene.since(pod.created_at) >= limits::SPEAKS).then(|| scene.events_of(pod))
}

fn lasts(scene: &Scene<'_>, event: &KubeEvent) -> bool {
    event.first.or(event.last).is_none_or(|first| scene.since(first) >= limits::SANDBOX)
}

fn names_what_lacks(message: &str) -> bool {
    let named = message.contains("secret \"") || message.contains("configmap \"");
    named && message.contains("not found")
}

fn no_sandbox(scene: &Scene<'_>, pod: &Pod, event: &KubeEvent) -> Finding {
    if !event.message.contains(NO_ADDRESS) {
        let says = format!("the sandbox of {} cannot be made", pod.id);
        let found = finding(Cause::PodSandbox, pod, says).by(By::Event, &event.message).since(event.first);
        return found.remedies(ways::sandbox(pod));
    }
    let found = finding(Cause::PodNoAddress, pod, format!("there is no address for {}", pod.id));
    let found = found.by(By::Event, &event.message).since(event.first);
    let zone = pod.node.as_ref().and_then(|node| scene.view.snapshot.node(node)).and_then(|node| node.zone.as_ref());
    let subnets = scene.ask(&Ask::subnets());
    let found = found.cannot_tell("how many its subnet has left", &subnets);
    let subnets = subnets.known().map(Vec::as_slice).unwrap_or_default();
    let near: Vec<_> = subnets.iter().filter(|subnet| zone.is_none_or(|zone| subnet.zone == *zone)).collect();
    let found = near.iter().fold(found, |found, subnet| {
        let addresses = if subnet.free == 1 { "address" } else { "addresses" };
        found.by(By::Status, format!("{} in {} has {} free {addresses}", subnet.id, subnet.zone, subnet.free))
    });
    found.remedies(ways::no_address(scene, pod, &near))
}

/// The init container that it waits for; a sidecar that is to stay runs before it, and others after.
fn running_init(pod: &Pod) -> Option<&str> {
    let containers = &pod.trouble.as_ref()?.containers;
    let waits = |state: &ContainerState| match state {
        ContainerState::Waiting { reason, .. } => reason == "PodInitializing",
        ContainerState::Running | ContainerState::Ended(_) => false,
    };
    let initializing = containers.iter().any(|container| !container.init && waits(&container.state));
    let running = containers.iter().rfind(|container| container.init && container.state == ContainerState::Running);
    running.filter(|_| initializing).map(|container| container.name.as_str())
}
