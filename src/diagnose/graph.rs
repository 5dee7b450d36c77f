//! Who waits for whom, made of facts alone: what rules found plays no part in it.

mod aws;
mod group;
mod pending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    missing::missing,
    refused::refusals,
    scene::{Scene, behind},
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

/// Who waits for whom.
#[derive(Debug, Default)]
pub(super) struct Graph {
    edges: BTreeMap<Vertex, BTreeSet<Vertex>>,
    /// Where the waiting begins.
    pub(super) sources: Vec<Source>,
}

/// Something that is to happen and whoever it is told of when it does not: a pod that is to leave its node, a node whose
/// replacement is to come, an instance that is to go.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) from: Vertex,
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
    graph.sources.extend(scene.placeless().map(|pod| Source {
        from: Vertex::serves(Object::Pod(pod.id.clone())),
        node: None,
        pod: Some(pod.id.clone()),
        instance: None,
    }));
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
        graph.sources.push(Source { from: pod, node, pod: pod_id, instance: None });
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
        for pod in counted.iter().filter(|pod| !pod.ready && !pod.is_finished()) {
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
    fn edge(&mut self, from: Vertex, to: Vertex) {
        self.edges.entry(from).or_default().insert(to);
    }

    /// Waiting begins here, and holds what is filled in.
    fn begin(&mut self, from: Option<Vertex>, hold: impl FnOnce(Source) -> Source) {
        let source = |from| Source { from, node: None, pod: None, instance: None };
        self.sources.extend(from.map(source).map(hold));
    }

    /// What this waits for.
    pub(super) fn below(&self, vertex: &Vertex) -> impl Iterator<Item = &Vertex> {
        self.edges.get(vertex).into_iter().flatten()
    }

    /// All that can be reached from there, itself first; nothing beyond those where the walk stops.
    pub(super) fn reach<'a>(&'a self, from: &'a Vertex, stops: impl Fn(&Vertex) -> bool) -> BTreeSet<&'a Vertex> {
        let mut seen = BTreeSet::from([from]);
        let mut queue = VecDeque::from([from]);
        while let Some(vertex) = queue.pop_front() {
            if stops(vertex) {
                continue;
            }
            queue.extend(self.below(vertex).filter(|below| seen.insert(below)));
        }
        seen
    }
}
