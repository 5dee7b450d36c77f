//! Volumes that are not where they are needed.

use super::{Rule, Verdicts, limits, remedy::volumes as remedy, scene::Scene};
use crate::{
    domain::{
        Ask, Attachment, By, CannotTell, Cause, Finding, Grade, Known, KubeEvent, Lack, Node, NodeName, Object, Pod,
        PodPhase, later,
    },
    engine::phase::NodePhase,
};

pub(super) const RULE: Rule = Rule { causes: &[Cause::VolumeAttached, Cause::VolumeDetaching], find };

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    for pod in scene.unhealthy.values().filter(|pod| may_wait_for_volumes(pod)) {
        match held_elsewhere(scene, pod) {
            Known::Is(held) => verdicts.found.extend(held.map(|held| attached(scene, pod, &held))),
            Known::Unknown(lacking) => {
                let object = Object::Pod(pod.id.clone());
                verdicts.unknown.push(CannotTell { cause: Cause::VolumeAttached, object, lacking });
            }
        }
    }
    verdicts.found.extend(settling(scene).map(detaching));
}

/// A volume that its pod waits for.
#[derive(Debug)]
pub(super) struct Elsewhere<'a> {
    /// The claim.
    pub(super) claim: String,
    /// Attached where it should not be, as far as that is known.
    pub(super) attachment: Option<&'a Attachment>,
    event: Option<&'a KubeEvent>,
}

/// Whether it has its node and claims, and has not started.
pub(super) fn may_wait_for_volumes(pod: &Pod) -> bool {
    pod.node.is_some() && pod.deletion.is_none() && pod.phase == PodPhase::Pending && !pod.claims.is_empty()
}

/// Whether it is known that it waits for a volume.
pub(super) fn is_kept(scene: &Scene<'_>, pod: &Pod) -> bool {
    may_wait_for_volumes(pod) && matches!(held_elsewhere(scene, pod), Known::Is(Some(_)))
}

/// The volume of this pod that another node still has: by the attachment, or by what the kubelet's controller says.
pub(super) fn held_elsewhere<'a>(scene: &Scene<'a>, pod: &Pod) -> Known<Option<Elsewhere<'a>>> {
    let (attachments, events) = (scene.ask(&Ask::attachments()), scene.ask(&Ask::events(&Object::Pod(pod.id.clone()))));
    let claim = |name: &str| scene.ask(&Ask::claim(&pod.id.namespace, name)).known().and_then(Option::as_ref);
    let claims: Vec<_> = pod.claims.iter().map(|name| (name, claim(name))).collect();
    let event = match &events {
        Known::Is(events) => events.iter().rev().find(|event| is_multi_attach(event)),
        Known::Unknown(_) => None,
    };
    let elsewhere = claims.iter().find_map(|(name, claim)| {
        let volume = claim.as_ref()?.volume.as_ref()?;
        let Known::Is(attachments) = &attachments else { return None };
        let other = |it: &&Attachment| it.volume == *volume && it.attached && Some(&it.node) != pod.node.as_ref();
        let here =
            attachments.iter().any(|it| it.volume == *volume && it.attached && Some(&it.node) == pod.node.as_ref());
        let attachment = attachments.iter().find(other).filter(|_| !here)?;
        Some(Elsewhere { claim: (*name).clone(), attachment: Some(attachment), event })
    });
    match (elsewhere, event, attachments, events) {
        (Some(elsewhere), _, _, _) => Known::Is(Some(elsewhere)),
        // What the event said was so then: where the attachments can be read, they are what is so now.
        (None, Some(event), Known::Unknown(_), _) => {
            let said = claims.iter().find(|(_, claim)| {
                claim
                    .as_ref()
                    .and_then(|claim| claim.volume.as_ref())
                    .is_some_and(|volume| event.message.contains(volume))
            });
            let claim = said.or(claims.first()).map(|(name, _)| (*name).clone()).unwrap_or_default();
            Known::Is(Some(Elsewhere { claim, attachment: None, event: Some(event) }))
        }
        (None, _, Known::Is(_), _) | (None, None, _, Known::Is(_)) => Known::Is(None),
        (None, None, Known::Unknown(Lack::NotRead), _) => Known::Unknown(Lack::NotRead),
        (None, None, Known::Unknown(_), Known::Unknown(lack)) => Known::Unknown(lack),
    }
}

/// `Multi-Attach error for volume "pvc-…" Volume is already exclusively attached to one node …` (attachdetach
/// `reconciler.go`).
fn is_multi_attach(event: &KubeEvent) -> bool {
    event.reason == "FailedAttachVolume" && event.message.contains("Multi-Attach error")
}

fn attached(scene: &Scene<'_>, pod: &Pod, held: &Elsewhere<'_>) -> Finding {
    let object = Object::Claim { namespace: pod.id.namespace.clone(), name: held.claim.clone() };
    let since = held.event.and_then(|event| event.first).unwrap_or(pod.created_at);
    let on =
        held.attachment.map_or_else(|| "another node".to_owned(), |attachment| format!("node/{}", attachment.node));
    let found = Finding::new(
        Cause::VolumeAttached,
        object.clone(),
        format!("the volume of {object} is still attached to {on}, and {} waits", pod.id),
    );
    let found = match held.attachment {
        Some(Attachment { name, node, deleting_since, error, .. }) => {
            let leaves = if deleting_since.is_some() { " and is to be detached" } else { "" };
            let failed = error.as_ref().map(|error| format!("; the attacher says: {error}"));
            let says = format!("volumeattachment/{name} names node/{node}{leaves}{}", failed.unwrap_or_default());
            found.by(By::Status, says)
        }
        None => found,
    };
    let found = match held.event {
        Some(event) => found.by(By::Event, event.message.clone()),
        None => found,
    };
    let mut users =
        held.attachment.into_iter().flat_map(|attachment| users_of(scene, pod, &held.claim, &attachment.node));
    let user = users.next();
    // Whoever has it may still be on its way out, in time.
    let let_go = user.and_then(|user| user.deletion).map(|deletion| later(deletion.due, limits::OVERDUE));
    let long = scene.since(since.max(let_go.unwrap_or(since))) >= limits::ATTACH
        && let_go.is_none_or(|at| at <= scene.view.now);
    let node = held.attachment.and_then(|attachment| scene.view.snapshot.node(&attachment.node));
    found.graded(if long { Grade::Blocks } else { Grade::Waits }).since(Some(since)).remedies(remedy::attached(
        pod,
        held.attachment,
        node,
        user,
    ))
}

/// Pods on that node that use the claim too, as far as they are watched.
fn users_of<'s, 'a>(
    scene: &'s Scene<'a>,
    pod: &'s Pod,
    claim: &'s String,
    node: &'s NodeName,
) -> impl Iterator<Item = &'a Pod> + use<'s, 'a> {
    let on_it = scene.view.snapshot.pods_on(node);
    on_it.filter(move |other| other.id.namespace == pod.id.namespace && other.claims.contains(claim))
}

/// Nodes that are empty and still have volumes.
pub(super) fn settling<'s, 'a>(scene: &'s Scene<'a>) -> impl Iterator<Item = &'a Node> + use<'s, 'a> {
    let settling = scene.empty.iter().filter(|flight| matches!(flight.phase, NodePhase::Settling { .. }));
    let nodes = settling.filter_map(|flight| scene.view.snapshot.node(flight.member.node.as_ref()?));
    // A run says itself which of its nodes are empty.
    let looked_at = scene.nodes.iter().copied().filter(|node| scene.view.run.is_none() && is_emptied(scene, node));
    nodes.chain(looked_at).filter(|node| !node.volumes.is_empty())
}

/// Whether it is cordoned and nobody is left on it who is to leave.
fn is_emptied(scene: &Scene<'_>, node: &Node) -> bool {
    let known = scene.view.snapshot.knows_pods_of(&node.name);
    node.unschedulable && known && scene.leavers.iter().all(|leaver| leaver.node.name != node.name)
}

fn detaching(node: &Node) -> Finding {
    let object = Object::Node(node.name.clone());
    Finding::new(Cause::VolumeDetaching, object, format!("volumes of node/{} are still being detached", node.name))
        .graded(Grade::Waits)
        .by(By::Status, format!("status.volumesAttached names {}", node.volumes.join(", ")))
        .remedies(remedy::detaching(&node.name))
}
