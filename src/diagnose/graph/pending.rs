//! Pods without a node wait for the group to bring nodes, and it for the nodes that are to be replaced and do not empty.

use std::collections::BTreeMap;

use super::{
    super::{
        placing::{Placing, Why},
        scene::Scene,
        volumes::{held_elsewhere, may_wait_for_volumes, settling},
    },
    Graph, Vertex, Walker, Way,
    group::asg,
};
use crate::domain::{Known, Node, NodeName, Object, Pod};

pub(super) fn pending(scene: &Scene<'_>, graph: &mut Graph) {
    // Whoever waits for room is content with a node that comes, and with one that takes the place of another; what waits for
    // a launch is not.
    let group = asg(scene).map(|asg| (asg.clone(), Vertex::leaves(asg.object)));
    let mut in_zones = Vec::new();
    for (pod, placing) in scene.placings() {
        let mut from = Vertex::serves(Object::Pod(pod.id.clone()));
        if let Some(claim) = claim_of(pod, placing) {
            graph.edge(from, claim.clone());
            from = claim;
        }
        let of_its_zone = placing.why.cordoned();
        if !of_its_zone.is_empty() {
            in_zones.push((from, of_its_zone.to_vec()));
        } else if let Some((_, room)) = group.clone().filter(|_| placing.waits_for_nodes()) {
            graph.edge(from, room);
        }
    }
    for (claim, nodes) in in_zones {
        replaced(scene, graph, &claim, |node| nodes.contains(&node.name));
    }
    if let Some((launches, room)) = group {
        replaced(scene, graph, &room, |_| true);
        graph.edge(room, launches);
    }
}

/// A cordoned node that empties is replaced by one that has room. It needs none itself where none of its pods waits for
/// one that waits for room: any such node will do. Where there is none, pods wait for each other in a ring, and that is so
/// whatever else holds their nodes.
fn replaced(scene: &Scene<'_>, graph: &mut Graph, from: &Vertex, is_meant: impl Fn(&Node) -> bool) {
    let mut walker = Walker::new(graph);
    walker.reach(graph.spot(from), Way::Up, |_| false);
    let mut waits: BTreeMap<&NodeName, Vec<Vertex>> = BTreeMap::new();
    for leaver in scene.leavers.iter().filter(|leaver| leaver.node.unschedulable && is_meant(leaver.node)) {
        let pod = Vertex::leaves(Object::Pod(leaver.pod.id.clone()));
        let waits = waits.entry(&leaver.node.name).or_default();
        if graph.spot(&pod).is_some_and(|pod| walker.passed(pod)) {
            waits.push(pod);
        }
    }
    let empties: Vec<_> = waits.iter().filter(|(_, pods)| pods.is_empty()).map(|(node, _)| *node).collect();
    for node in &empties {
        graph.edge(from.clone(), Vertex::leaves(Object::Node((*node).clone())));
    }
    if empties.is_empty() {
        for pod in waits.into_values().flatten() {
            graph.edge(from.clone(), pod);
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
