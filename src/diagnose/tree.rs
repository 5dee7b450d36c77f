//! From what waits down to what it waits for, each thing once.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    graph::{Graph, Spot, Vertex, Walker, Way},
    scene::Scene,
};
use crate::domain::{Branch, Cause, Finding, Object, Stand};

/// So many of one kind are enough to see what is the matter; the rest is counted.
const SHOWN: usize = 5;

/// The tree below each node that is looked at, without what nothing was found below of.
pub(super) fn tree(scene: &Scene<'_>, graph: &Graph, findings: &[Finding]) -> Vec<Branch> {
    let mut causes: BTreeMap<Spot, BTreeSet<Cause>> = BTreeMap::new();
    let told = findings.iter().flat_map(|root| root.under.iter().chain(&root.because).chain([root]));
    // What holds nothing is told beside the tree.
    for finding in told.filter(|finding| finding.cause.stand() != Stand::Aside) {
        if let Some(spot) = graph.spot(&Vertex::of(finding)) {
            causes.entry(spot).or_default().insert(finding.cause);
        }
    }
    let mut leads_there = Walker::new(graph);
    leads_there.reach(causes.keys().copied(), Way::Up, |_| false);
    let mut grower = Grower { graph, causes, leads_there, seen: BTreeSet::new() };
    roots(scene, graph).into_iter().filter_map(|root| grower.grow(root)).collect()
}

/// Where people begin to look: at the nodes, then at whatever else waits; pods hang below their nodes.
fn roots(scene: &Scene<'_>, graph: &Graph) -> Vec<Spot> {
    let nodes = scene.nodes.iter().filter_map(|node| graph.spot(&Vertex::leaves(Object::Node(node.name.clone()))));
    let others = graph.sources.iter().filter(|source| source.pod.is_none()).map(|source| source.from);
    let pods = scene.placeless().and_then(|pod| graph.spot(&Vertex::serves(Object::Pod(pod.id.clone()))));
    let mut known = BTreeSet::new();
    nodes.chain(others).chain(pods).filter(|root| known.insert(*root)).collect()
}

struct Grower<'a> {
    graph: &'a Graph,
    causes: BTreeMap<Spot, BTreeSet<Cause>>,
    /// Has come by wherever a cause is found below.
    leads_there: Walker<'a>,
    seen: BTreeSet<Spot>,
}

impl Grower<'_> {
    fn grow(&mut self, spot: Spot) -> Option<Branch> {
        if !self.leads_there.passed(spot) {
            return None;
        }
        let causes = self.causes.get(&spot).into_iter().flatten().copied().collect();
        let (mut below, mut more) = (Vec::new(), 0);
        let seen_above = !self.seen.insert(spot);
        if !seen_above {
            for next in self.graph.below(spot) {
                if below.len() < SHOWN {
                    below.extend(self.grow(next));
                } else if self.leads_there.passed(next) {
                    more += 1;
                }
            }
        }
        Some(Branch { object: self.graph.vertex(spot).object.clone(), causes, below, more, seen_above })
    }
}
