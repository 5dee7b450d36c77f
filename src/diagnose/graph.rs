//! Who waits for whom, made of facts alone: what rules found plays no part in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::scene::{Scene, behind};
use crate::domain::{Family, Finding, Known, NodeName, Object, PodRef};

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
    /// Pods that are to leave, and where they are.
    pub(super) leavers: Vec<(NodeName, PodRef)>,
}

/// The graph of what this scene shows.
pub(super) fn of(scene: &Scene<'_>) -> Graph {
    let mut graph = Graph::default();
    for leaver in &scene.leavers {
        let pod = Vertex::leaves(Object::Pod(leaver.pod.id.clone()));
        graph.edge(Vertex::leaves(Object::Node(leaver.node.name.clone())), pod.clone());
        if let workload @ Object::Workload { .. } = behind(leaver.pod) {
            graph.edge(pod.clone(), Vertex::leaves(workload));
        }
        if scene.is_about_a_pod() {
            graph.edge(pod, Vertex::serves(Object::Pod(leaver.pod.id.clone())));
        }
        graph.leavers.push((leaver.node.name.clone(), leaver.pod.id.clone()));
    }
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
    graph
}

impl Vertex {
    pub(super) fn leaves(object: Object) -> Self {
        Self { object, role: Role::Leaves }
    }

    fn serves(object: Object) -> Self {
        Self { object, role: Role::Serves }
    }

    /// Where a finding hangs.
    pub(super) fn of(finding: &Finding) -> Self {
        let role = match finding.cause.family() {
            Family::Budget | Family::Leaving => Role::Leaves,
            Family::Container => Role::Serves,
        };
        Self { object: finding.object.clone(), role }
    }
}

impl Graph {
    fn edge(&mut self, from: Vertex, to: Vertex) {
        self.edges.entry(from).or_default().insert(to);
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
