//! Who waits for whom, made of facts alone: what rules found plays no part in it.

mod aws;
mod group;
mod pending;
mod walk;

use std::collections::BTreeMap;

use super::{
    missing::{closed, missing},
    refused::refusals,
    scene::{Scene, behind, is_unhealthy},
};
use crate::domain::{Family, Finding, InstanceId, Known, NodeName, Object, PodRef};

/// As what something is in it: a pod that is to leave and the same pod as one that its budget counts on are two things,
/// else a pod that crashes under a budget of its own would wait for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It is to leave, or keeps what is to leave.
    Leaves,
    /// Others count on it.
    Serves,
}

/// Something that waits or is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vertex {
    pub(super) object: Object,
    pub(super) role: Role,
}

pub(super) use walk::{Walker, Way};

/// A vertex's place in its graph: names are long, and walks pass each of them often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(usize);

/// Who waits for whom.
#[derive(Debug, Default)]
pub(super) struct Graph {
    spots: BTreeMap<Vertex, Spot>,
    vertices: Vec<Vertex>,
    below: Vec<Vec<Spot>>,
    above: Vec<Vec<Spot>>,
    /// Where the waiting begins.
    pub(super) sources: Vec<Source>,
}

/// Something that is to happen and whoever it is told of when it does not: a pod that is to leave its node, a node whose
/// replacement is to come, an instance that is to go.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) from: Spot,
    pub(super) node: Option<NodeName>,
    pub(super) pod: Option<PodRef>,
    pub(super) instance: Option<InstanceId>,
}

/// The graph of what this scene shows.
pub(super) fn of(scene: &Scene<'_>) -> Graph {
    let mut graph = Graph::default();
    leaving(scene, &mut graph);
    budgets(scene, &mut graph);
    group::edges(scene, &mut graph);
    refused(scene, &mut graph);
    unmade(scene, &mut graph);
    pending::pending(scene, &mut graph);
    pending::volumes(scene, &mut graph);
    aws::aws(scene, &mut graph);
    if let Some(pod) = scene.placeless() {
        let from = Vertex::serves(Object::Pod(pod.id.clone()));
        graph.begin(Some(from), |source| Source { pod: Some(pod.id.clone()), ..source });
    }
    graph
}

/// Pods wait to leave their nodes.
fn leaving(scene: &Scene<'_>, graph: &mut Graph) {
    for leaver in &scene.leavers {
        let pod = Vertex::leaves(Object::Pod(leaver.pod.id.clone()));
        graph.edge(Vertex::leaves(Object::Node(leaver.node.name.clone())), pod.clone());
        if let workload @ Object::Workload { .. } = behind(leaver.pod) {
            graph.edge(pod.clone(), Vertex::leaves(workload));
        }
        if scene.is_about_a_pod() {
            graph.edge(pod.clone(), Vertex::serves(Object::Pod(leaver.pod.id.clone())));
        }
        let (node, pod_id) = (Some(leaver.node.name.clone()), Some(leaver.pod.id.clone()));
        graph.begin(Some(pod), |source| Source { node, pod: pod_id, ..source });
    }
}

/// They wait for their budgets, and those for the pods that they count and that are not Ready.
fn budgets(scene: &Scene<'_>, graph: &mut Graph) {
    for (ids, pods) in &scene.doubled {
        for pod in pods {
            graph.edge(Vertex::leaves(Object::Pod(pod.id.clone())), Vertex::leaves(Object::Budgets(ids.clone())));
        }
    }
    for (id, (_, pods)) in &scene.blocked {
        let budget = Vertex::leaves(Object::Pdb(id.clone()));
        for pod in pods {
            graph.edge(Vertex::leaves(Object::Pod(pod.id.clone())), budget.clone());
        }
        let counted = match scene.counted(id) {
            Known::Is(pods) => pods,
            Known::Unknown(_) => &[],
        };
        for pod in counted.iter().filter(|pod| is_unhealthy(pod)) {
            let object = Object::Pod(pod.id.clone());
            if pod.deletion.is_some() {
                graph.edge(budget.clone(), Vertex::leaves(object.clone()));
            }
            graph.edge(budget.clone(), Vertex::serves(object));
        }
    }
}

/// They wait for whoever refuses their eviction.
fn refused(scene: &Scene<'_>, graph: &mut Graph) {
    for refused in refusals(scene) {
        graph.edge(Vertex::leaves(Object::Pod(refused.pod.id.clone())), Vertex::leaves(refused.by));
    }
}

/// Budgets wait for pods that their controllers may not make.
fn unmade(scene: &Scene<'_>, graph: &mut Graph) {
    for missing in missing(scene) {
        graph.edge(Vertex::leaves(Object::Pdb(missing.pdb.id.clone())), Vertex::serves(missing.by));
    }
    for (pdb, namespace) in closed(scene) {
        graph.edge(Vertex::leaves(Object::Pdb(pdb.id.clone())), Vertex::leaves(namespace));
    }
}

impl Vertex {
    pub(super) fn leaves(object: Object) -> Self {
        Self { object, role: Role::Leaves }
    }

    pub(super) fn serves(object: Object) -> Self {
        Self { object, role: Role::Serves }
    }

    /// Where a finding hangs.
    pub(super) fn of(finding: &Finding) -> Self {
        let role = match finding.cause.family() {
            Family::Budget | Family::Leaving | Family::Refused => Role::Leaves,
            Family::Container
            | Family::Pending
            | Family::Volume
            | Family::Node
            | Family::Join
            | Family::Launch
            | Family::Group
            | Family::Eks => Role::Serves,
        };
        Self { object: finding.object.clone(), role }
    }
}

impl Graph {
    /// The place of this vertex, made where there was none.
    fn place(&mut self, vertex: Vertex) -> Spot {
        if let Some(spot) = self.spots.get(&vertex) {
            return *spot;
        }
        let spot = Spot(self.vertices.len());
        self.vertices.push(vertex.clone());
        self.spots.insert(vertex, spot);
        self.below.push(Vec::new());
        self.above.push(Vec::new());
        spot
    }

    fn edge(&mut self, from: Vertex, to: Vertex) {
        let (from, to) = (self.place(from), self.place(to));
        // Of the two ends the one with fewer neighbours knows sooner whether they met before: a thousand pods wait for one group.
        let (above, below) = (&self.above[to.0], &self.below[from.0]);
        let known = if below.len() <= above.len() { below.contains(&to) } else { above.contains(&from) };
        if !known {
            self.below[from.0].push(to);
            self.above[to.0].push(from);
        }
    }

    /// Waiting begins here, and holds what is filled in.
    fn begin(&mut self, from: Option<Vertex>, hold: impl FnOnce(Source) -> Source) {
        let source = |from| Source { from, node: None, pod: None, instance: None };
        let spot = from.map(|from| self.place(from));
        self.sources.extend(spot.map(source).map(hold));
    }

    /// Where this is, if anything waits there or is waited for.
    pub(super) fn spot(&self, vertex: &Vertex) -> Option<Spot> {
        self.spots.get(vertex).copied()
    }

    /// What is there.
    pub(super) fn vertex(&self, spot: Spot) -> &Vertex {
        &self.vertices[spot.0]
    }

    /// What this waits for, in the order of what it is.
    pub(super) fn below(&self, spot: Spot) -> Vec<Spot> {
        let mut below = self.below[spot.0].clone();
        below.sort_by_key(|spot| self.vertex(*spot));
        below
    }
}
