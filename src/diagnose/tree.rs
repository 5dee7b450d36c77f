//! From what waits down to what it waits for, each thing once.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    graph::{Graph, Vertex},
    scene::Scene,
};
use crate::domain::{Branch, Cause, Finding, Object, Stand};

/// So many of one kind are enough to see what is the matter; the rest is counted.
const SHOWN: usize = 5;

/// The tree below each node that is looked at, without what nothing was found below of.
pub(super) fn tree(scene: &Scene<'_>, graph: &Graph, findings: &[Finding]) -> Vec<Branch> {
    let mut causes: BTreeMap<Vertex, BTreeSet<Cause>> = BTreeMap::new();
    let folded = |root: &Finding| root.under.iter().chain(&root.because).cloned().collect::<Vec<_>>();
    for finding in findings.iter().flat_map(|root| folded(root).into_iter().chain([root.clone()])) {
        // What holds nothing is told beside the tree.
        if finding.cause.stand() != Stand::Aside {
            causes.entry(Vertex::of(&finding)).or_default().insert(finding.cause);
        }
    }
    let mut grower = Grower { graph, causes, seen: BTreeSet::new() };
    let mut roots: Vec<_> = scene.nodes.iter().map(|node| Vertex::leaves(Object::Node(node.name.clone()))).collect();
    // Pods hang below their nodes.
    for source in graph.sources.iter().filter(|source| source.pod.is_none()) {
        if !roots.contains(&source.from) {
            roots.push(source.from.clone());
        }
    }
    roots.extend(scene.placeless().map(|pod| Vertex::serves(Object::Pod(pod.id.clone()))));
    roots.iter().filter_map(|root| grower.grow(root)).collect()
}

struct Grower<'a> {
    graph: &'a Graph,
    causes: BTreeMap<Vertex, BTreeSet<Cause>>,
    seen: BTreeSet<Vertex>,
}

impl Grower<'_> {
    fn grow(&mut self, vertex: &Vertex) -> Option<Branch> {
        if !self.leads_anywhere(vertex) {
            return None;
        }
        let causes = self.causes.get(vertex).into_iter().flatten().copied().collect();
        let (mut below, mut more) = (Vec::new(), 0);
        let seen_above = !self.seen.insert(vertex.clone());
        if !seen_above {
            let graph = self.graph;
            for next in graph.below(vertex) {
                if below.len() < SHOWN {
                    below.extend(self.grow(next));
                } else if self.leads_anywhere(next) {
                    more += 1;
                }
            }
        }
        Some(Branch { object: vertex.object.clone(), causes, below, more, seen_above })
    }

    fn leads_anywhere(&self, vertex: &Vertex) -> bool {
        self.graph.reach(vertex, |_| false).into_iter().any(|reached| self.causes.contains_key(reached))
    }
}
