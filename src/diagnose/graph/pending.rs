//! Pods without a node wait for the group to bring nodes, and it for the nodes that are to be replaced and do not empty.

use super::{
    super::{
        pending::unplaced,
        placing::{Placing, Why, placing},
        scene::Scene,
        volumes::{held_elsewhere, may_wait_for_volumes, settling},
    },
    Graph, Vertex,
    group::asg,
};
use crate::domain::{Known, Object, Pod};

pub(super) fn pending(scene: &Scene<'_>, graph: &mut Graph) {
    let group = asg(scene);
    let mut waits = false;
    for pod in unplaced(scene) {
        let placing = placing(scene, pod);
        let mut from = Vertex::serves(Object::Pod(pod.id.clone()));
        if let Some(claim) = claim_of(pod, &placing) {
            graph.edge(from, claim.clone());
            from = claim;
        }
        if let Some(group) = group.clone().filter(|_| placing.waits_for_nodes()) {
            graph.edge(from, group);
            waits = true;
        }
    }
    if let Some(group) = group.filter(|_| waits) {
        // Each that empties is replaced by one that has room.
        let out = scene.leavers.iter().map(|leaver| leaver.node).filter(|node| node.unschedulable);
        for node in out {
            graph.edge(group.clone(), Vertex::leaves(Object::Node(node.name.clone())));
        }
    }
}

/// Pods wait for their claims, those for the nodes that still have the volumes, and empty nodes for them to be detached.
pub(super) fn volumes(scene: &Scene<'_>, graph: &mut Graph) {
    for pod in scene.unhealthy.values().filter(|pod| may_wait_for_volumes(pod)) {
        let Known::Is(Some(held)) = held_elsewhere(scene, pod) else { continue };
        let claim = claim(pod, &held.claim);
        graph.edge(Vertex::serves(Object::Pod(pod.id.clone())), claim.clone());
        if let Some(attachment) = held.attachment {
            graph.edge(claim, Vertex::serves(Object::Node(attachment.node.clone())));
        }
    }
    for node in settling(scene) {
        let node = Object::Node(node.name.clone());
        graph.edge(Vertex::leaves(node.clone()), Vertex::serves(node));
    }
}

fn claim_of(pod: &Pod, placing: &Placing<'_>) -> Option<Vertex> {
    match &placing.why {
        Why::Unbound(name) => Some(claim(pod, name)),
        Why::Stranded(stranded) => Some(claim(pod, stranded.claim)),
        Why::Gated
        | Why::NotLookedAt
        | Why::TooLarge(_)
        | Why::NoRoom
        | Why::AllOut(_)
        | Why::Apart { .. }
        | Why::Affinity(_)
        | Why::Tainted(_)
        | Why::Unclear => None,
    }
}

fn claim(pod: &Pod, name: &str) -> Vertex {
    Vertex::serves(Object::Claim { namespace: pod.id.namespace.clone(), name: name.to_owned() })
}
