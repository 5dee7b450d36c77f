//! Nodes that come and go, and who waits for them.

use super::{Graph, Source, Vertex};
use crate::{
    diagnose::{limits, scene::Scene, targets::Comer},
    domain::{Member, Node, Object, Readiness},
    engine::{Flight, phase::NodePhase},
};

/// Adds them all.
pub(super) fn edges(scene: &Scene<'_>, graph: &mut Graph) {
    for flight in &scene.empty {
        empty(scene, graph, flight);
    }
    if !scene.owed.is_empty() {
        graph.begin(asg(scene), |source| source);
    }
    for comer in &scene.comers {
        comes(scene, graph, comer);
    }
    for goer in &scene.goers {
        let instance = Vertex::serves(Object::Instance(goer.id.clone()));
        graph.begin(Some(instance.clone()), |source| Source { instance: Some(goer.id.clone()), ..source });
        if let Some(node) = goer.node {
            graph.edge(instance, serves(node));
        }
    }
    silent(scene, graph);
}

/// The group as that which brings new nodes.
pub(super) fn asg(scene: &Scene<'_>) -> Option<Vertex> {
    scene.view.snapshot.group().map(|group| Vertex::serves(Object::Asg(group.asg.clone())))
}

fn serves(node: &Node) -> Vertex {
    Vertex::serves(Object::Node(node.name.clone()))
}

/// A node in flight that is empty waits for its instance to go, then for its replacement.
fn empty(scene: &Scene<'_>, graph: &mut Graph, flight: &Flight) {
    let member = &flight.member;
    let from = vertex(member);
    let (node, instance) = (member.node.clone(), member.instance.clone());
    let held = |source| Source { node: node.clone(), instance: node.is_none().then(|| instance.clone()), ..source };
    match flight.phase {
        NodePhase::Settling { .. } => {}
        NodePhase::Terminating { .. } => {
            graph.edge(from.clone(), Vertex::serves(Object::Instance(member.instance.clone())));
            if let Some(node) = &member.node {
                graph.edge(from.clone(), Vertex::serves(Object::Node(node.clone())));
            }
        }
        NodePhase::Replacing { .. } => {
            let comes = |comer: &&Comer<'_>| comer.replaces == Some(member);
            let comer = scene.comers.iter().find(comes);
            if let Some(comer) = comer {
                graph.edge(from.clone(), Vertex::serves(Object::Instance(comer.instance.id.clone())));
            }
            // Where those before it were lost it waits for the group still, which does not keep whom it launches.
            let group = asg(scene).filter(|_| comer.is_none_or(|comer| comer.lost >= limits::LOSSES));
            if let Some(asg) = group {
                graph.edge(from.clone(), asg);
            }
        }
        NodePhase::Cordoning | NodePhase::Draining { .. } | NodePhase::Releasing | NodePhase::Quarantined => return,
    }
    graph.begin(Some(from), held);
}

/// A member as one that leaves, by its node or its instance alone.
fn vertex(member: &Member) -> Vertex {
    Vertex::leaves(match &member.node {
        Some(node) => Object::Node(node.clone()),
        None => Object::Instance(member.instance.clone()),
    })
}

/// The group waits for the instance, that for its Node, and a Node for its daemon pods.
fn comes(scene: &Scene<'_>, graph: &mut Graph, comer: &Comer<'_>) {
    let id = &comer.instance.id;
    let instance = Vertex::serves(Object::Instance(id.clone()));
    graph.begin(Some(instance.clone()), |source| Source { instance: Some(id.clone()), ..source });
    if let Some(asg) = asg(scene) {
        graph.edge(asg.clone(), instance.clone());
        // Else nothing is told of the one that comes now, and it may be lost as those before it were.
        if comer.lost >= limits::LOSSES {
            graph.begin(Some(asg), |source| Source { instance: Some(id.clone()), ..source });
        }
    }
    let Some(node) = comer.node else { return };
    graph.edge(instance, serves(node));
    for pod in scene.daemons_that_lack(node) {
        graph.edge(serves(node), Vertex::serves(Object::Pod(pod.id.clone())));
    }
}

/// Where a kubelet is silent or its runtime is down, no pod ends, and none is Ready.
fn silent(scene: &Scene<'_>, graph: &mut Graph) {
    for node in scene.nodes.iter().filter(|node| !node.is_ready()) {
        graph.edge(Vertex::leaves(Object::Node(node.name.clone())), serves(node));
    }
    for leaver in scene.leavers.iter().filter(|leaver| !leaver.node.is_ready()) {
        let stops = leaver.pod.deletion.is_some() || leaver.node.ready == Readiness::Unknown;
        if stops {
            graph.edge(Vertex::leaves(Object::Pod(leaver.pod.id.clone())), serves(leaver.node));
        }
    }
    // One that its node itself waits for does not wait for it.
    for pod in scene.unhealthy.values().filter(|pod| !pod.is_daemon()) {
        let node = pod.node.as_ref().and_then(|name| scene.view.snapshot.node(name));
        if let Some(node) = node.filter(|node| !node.is_ready()) {
            graph.edge(Vertex::serves(Object::Pod(pod.id.clone())), serves(node));
        }
    }
}
