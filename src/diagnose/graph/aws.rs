//! Who waits for the group, and for what EKS complains about.

use super::{Graph, Vertex};
use crate::{
    diagnose::{
        eks_codes::{self, Meaning},
        launches::lacks_room,
        scene::Scene,
    },
    domain::{InstanceId, NodeName, Object},
};

/// Pods without room wait for the group; what EKS says is looked for at the nodes, instances and launches that it
/// says it of.
pub(super) fn aws(scene: &Scene<'_>, graph: &mut Graph) {
    let Some(group) = scene.view.snapshot.group() else { return };
    let asg = Vertex::serves(Object::Asg(group.asg.clone()));
    for pod in scene.unhealthy.values().filter(|pod| lacks_room(pod)) {
        graph.edge(Vertex::serves(Object::Pod(pod.id.clone())), asg.clone());
    }
    for said in eks_codes::said(scene) {
        let Some(object) = said.object(scene) else { continue };
        let from = Vertex::serves(object);
        graph.begin(Some(from.clone()), |source| source);
        if said.meaning == Meaning::Admission
            && let Some(by) = said.refusal().admission()
        {
            graph.edge(from.clone(), Vertex::leaves(by));
        }
        if said.meaning != Meaning::Shows {
            continue;
        }
        graph.edge(from.clone(), asg.clone());
        for resource in said.resources {
            let instance = InstanceId::new(resource);
            let by_instance = scene.view.snapshot.node_of(&instance).map(|node| &node.name);
            let by_name = NodeName::new(resource);
            let known = scene.view.snapshot.node(&by_name).map(|node| &node.name);
            if let Some(node) = by_instance.or(known) {
                graph.edge(from.clone(), Vertex::leaves(Object::Node(node.clone())));
                graph.edge(from.clone(), Vertex::serves(Object::Node(node.clone())));
            }
            graph.edge(from.clone(), Vertex::serves(Object::Instance(instance)));
        }
    }
}
