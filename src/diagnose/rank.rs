//! Roots before symptoms: each cause once, with all that it holds, and what only shows it folded under it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    graph::{Graph, Source, Spot, Vertex, Walker, Way},
    scene::Scene,
};
use crate::domain::{By, Cause, Finding, Grade, Held, Lacking, Object, Stand};

/// Where each finding stands.
#[derive(Clone, Default)]
struct Standing {
    /// Findings that hang together with it stand where it stands: of those in a ring each reaches what the others reach.
    ring: Rc<Ring>,
    /// Whether somebody reaches it without passing a cause that stands by itself.
    direct: bool,
}

/// Findings of which each waits for all the others, most often one by itself.
#[derive(Default)]
struct Ring {
    /// Its findings, by where they hang.
    at: BTreeMap<usize, Spot>,
    /// What can be reached from it, itself included.
    below: BTreeSet<usize>,
    /// What it can be reached from, itself included.
    above: BTreeSet<usize>,
    /// Whom it holds.
    holds: Held,
    /// Whether somebody waits for it at all.
    reached: bool,
}

impl Ring {
    /// What of these lies elsewhere than this one, which is of the ring.
    fn without<'r>(&'r self, index: usize, others: &'r BTreeSet<usize>) -> impl Iterator<Item = usize> + 'r {
        let own = self.at.get(&index);
        others.iter().copied().filter(move |other| *other != index && (own.is_none() || self.at.get(other) != own))
    }

    /// What lies strictly below one of its findings.
    fn below(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.without(index, &self.below)
    }

    /// What one of its findings lies strictly below of.
    fn above(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.without(index, &self.above)
    }

    fn has(&self, index: usize) -> bool {
        self.at.contains_key(&index)
    }

    /// Whether it is of several that wait for each other, and not of several findings at one thing.
    fn is_of_several(&self) -> bool {
        let mut spots = self.at.values();
        let first = spots.next();
        spots.any(|spot| Some(spot) != first)
    }
}

/// Folds symptoms under their roots, each with whom it holds.
pub(super) fn rank(scene: &Scene<'_>, graph: &Graph, mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| (finding.cause, finding.object.clone()));
    let mut standing = vec![Standing::default(); found.len()];
    let at = places(graph, &found);
    for ring in rings(graph, &at) {
        let ring = Rc::new(ring);
        for index in ring.at.keys() {
            standing[*index].ring = Rc::clone(&ring);
        }
    }
    find_direct(graph, &found, &at, &mut standing);
    let heads = heads(&found, &standing);
    let homes: Vec<Home> = (0..found.len()).map(|index| home(index, &found, &standing, &heads)).collect();
    for (index, finding) in found.iter_mut().enumerate() {
        let ring = &standing[index].ring;
        // Whom a ring holds is told once, and not again of each that has its part in it.
        if !matches!(homes[index], Home::Under(..)) || !ring.is_of_several() {
            let Held { nodes, pods, instances, group: _ } = &ring.holds;
            finding.holds.nodes.extend(nodes.iter().cloned());
            finding.holds.pods.extend(pods.iter().cloned());
            finding.holds.instances.extend(instances.iter().cloned());
        }
    }
    note_nodes(scene, &mut found);
    note_group(scene, &mut found);
    fold(found, &heads, &homes)
}

/// The findings that hang at each spot; nobody waits for what hangs at none.
fn places(graph: &Graph, found: &[Finding]) -> BTreeMap<Spot, Vec<usize>> {
    let mut at: BTreeMap<Spot, Vec<usize>> = BTreeMap::new();
    for (index, finding) in found.iter().enumerate() {
        if let Some(spot) = graph.spot(&Vertex::of(finding)) {
            at.entry(spot).or_default().push(index);
        }
    }
    at
}

/// What hangs together, and what it reaches and is reached from.
fn rings(graph: &Graph, at: &BTreeMap<Spot, Vec<usize>>) -> Vec<Ring> {
    let mut begins: BTreeMap<Spot, Vec<&Source>> = BTreeMap::new();
    for source in &graph.sources {
        begins.entry(source.from).or_default().push(source);
    }
    let (mut downwards, mut upwards) = (Walker::new(graph), Walker::new(graph));
    let mut known: BTreeSet<Spot> = BTreeSet::new();
    let mut rings = Vec::new();
    for spot in at.keys() {
        if known.contains(spot) {
            continue;
        }
        let below = downwards.reach([*spot], Way::Down, |_| false);
        let above = upwards.reach([*spot], Way::Up, |_| false);
        let in_ring: Vec<Spot> =
            below.iter().copied().filter(|spot| upwards.passed(*spot) && at.contains_key(spot)).collect();
        let found_at = |spots: &[Spot]| spots.iter().filter_map(|spot| at.get(spot)).flatten().copied().collect();
        let sources: Vec<_> = above.iter().filter_map(|spot| begins.get(spot)).flatten().collect();
        rings.push(Ring {
            at: in_ring.iter().flat_map(|spot| at[spot].iter().map(|index| (*index, *spot))).collect(),
            below: found_at(&below),
            above: found_at(&above),
            holds: Held {
                nodes: sources.iter().filter_map(|source| source.node.clone()).collect(),
                pods: sources.iter().filter_map(|source| source.pod.clone()).collect(),
                instances: sources.iter().filter_map(|source| source.instance.clone()).collect(),
                group: None,
            },
            reached: !sources.is_empty(),
        });
        known.extend(in_ring);
    }
    rings
}

/// Which findings somebody reaches without passing a cause that stands by itself.
fn find_direct(graph: &Graph, found: &[Finding], at: &BTreeMap<Spot, Vec<usize>>, standing: &mut [Standing]) {
    let stops = |spot: Spot| {
        let mut here = at.get(&spot).into_iter().flatten().map(|index| &found[*index]);
        here.any(|finding| finding.grade == Grade::Blocks && finding.cause.stand() == Stand::Root)
    };
    let sources = graph.sources.iter().map(|source| source.from);
    for index in Walker::new(graph).reach(sources, Way::Down, stops).iter().filter_map(|spot| at.get(spot)).flatten() {
        standing[*index].direct = true;
    }
}

/// What is worth knowing of a node holds nobody, and belongs to it all the same.
fn note_nodes(scene: &Scene<'_>, found: &mut [Finding]) {
    for finding in found.iter_mut().filter(|finding| finding.cause.stand() == Stand::Aside) {
        if let Object::Node(node) = &finding.object {
            let stayers = scene.stayers.iter().filter(|stayer| stayer.node.name == *node);
            let pods = stayers.map(|stayer| stayer.pod.id.clone()).collect();
            finding.holds = Held { nodes: [node.clone()].into(), pods, ..Held::default() };
        }
    }
}

/// What is the matter with the group holds all of it, also where nobody waits by name.
fn note_group(scene: &Scene<'_>, found: &mut [Finding]) {
    let Some(group) = scene.view.snapshot.group() else { return };
    for finding in found.iter_mut().filter(|finding| finding.cause.stand() != Stand::Aside) {
        if matches!(finding.object, Object::Asg(_) | Object::Nodegroup(_) | Object::Update(_)) {
            finding.holds.group = Some(Lacking { missing: group.missing(), of: group.size.desired });
        }
    }
}

/// So many of those that wait for each other are named; the rest is counted.
const NAMED: usize = 4;

fn fold(mut found: Vec<Finding>, heads: &[Head], homes: &[Home]) -> Vec<Finding> {
    for (index, head) in heads.iter().enumerate() {
        if let Head::OfRing(others) = head {
            let named: Vec<_> = others.iter().take(NAMED).map(|other| found[*other].object.to_string()).collect();
            let (named, own) = (named.join(", "), &found[index].object);
            let says = match others.len().saturating_sub(NAMED) {
                0 => format!("each waits for the other: {named} and {own}"),
                more => format!("each waits for the other: {named}, {own} and {more} more"),
            };
            found[index] = found[index].clone().by(By::Status, says);
        }
    }
    let mut ranked: BTreeMap<usize, Finding> = BTreeMap::new();
    for (index, finding) in found.iter().enumerate().filter(|(index, _)| matches!(homes[*index], Home::Own)) {
        ranked.insert(index, finding.clone());
    }
    for (index, finding) in found.into_iter().enumerate() {
        match &homes[index] {
            Home::Own => {}
            Home::Under(roots, grade) => {
                for root in roots {
                    if let Some(root) = ranked.get_mut(root) {
                        root.under.push(finding.clone().graded(*grade));
                    }
                }
            }
            Home::Because(root) => {
                if let Some(root) = ranked.get_mut(root) {
                    root.because.push(finding);
                }
            }
        }
    }
    ranked.into_values().collect()
}

/// What a failed update left behind: it is told after what made it fail, however many nodes it is about.
const AFTERMATH: [Cause; 3] = [Cause::EksLeftCordoned, Cause::EksLeftSize, Cause::EksMixedVersions];

/// The worst first: what somebody must act on, and of that what holds most.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| {
        let Held { nodes, pods, instances, group: _ } = &finding.holds;
        let held = (Reverse(nodes.len()), Reverse(pods.len()), Reverse(instances.len()));
        let after = AFTERMATH.contains(&finding.cause);
        (finding.grade, after, held, finding.sure, finding.cause, finding.object.clone())
    });
}

/// Whether others are told under a finding.
enum Head {
    /// It is a cause of its own.
    Root,
    /// A symptom below which nothing was found: it stands for itself.
    Last,
    /// The same of several that wait for each other in a ring, and those.
    OfRing(Vec<usize>),
    /// It is told under others.
    None,
}

fn heads(found: &[Finding], standing: &[Standing]) -> Vec<Head> {
    let is_symptom = |index: usize| found[index].cause.stand() == Stand::Symptom;
    let explains = |index: usize| {
        let grade = found[index].grade;
        !is_symptom(index) && standing[index].direct && (grade == Grade::Blocks || grade == Grade::Waits)
    };
    let head = |index: usize| {
        if !is_symptom(index) {
            return Head::Root;
        }
        let ring = &standing[index].ring;
        if ring.below(index).any(explains) {
            return Head::None;
        }
        let symptoms = || ring.below(index).filter(|below| is_symptom(*below));
        if symptoms().next().is_none() {
            return Head::Last;
        }
        if symptoms().any(|other| !ring.has(other)) {
            return Head::None;
        }
        // Of those in a ring, that for which others are named least: room that is lacking, before budgets that are used up
        // for want of it. It is what an extra node puts an end to.
        let last = |index: usize| (Reverse(found[index].cause), &found[index].object);
        let is_first = symptoms().all(|other| last(index) <= last(other));
        if is_first { Head::OfRing(symptoms().collect()) } else { Head::None }
    };
    (0..found.len()).map(head).collect()
}

/// Where a finding is told.
enum Home {
    /// By itself.
    Own,
    /// As a symptom of these, and how much it then matters.
    Under(Vec<usize>, Grade),
    /// As what lies below this one and holds nothing else.
    Because(usize),
}

fn home(index: usize, found: &[Finding], standing: &[Standing], heads: &[Head]) -> Home {
    let is_symptom = |index: usize| matches!(heads[index], Head::None);
    let ring = &standing[index].ring;
    if ring.reached && !standing[index].direct {
        let blocks = |above: &usize| found[*above].grade == Grade::Blocks && matches!(heads[*above], Head::Root);
        // One that itself lies below another only would be told there, and this with it would be lost.
        if let Some(above) = ring.above(index).find(|above| blocks(above) && standing[*above].direct) {
            return Home::Because(above);
        }
    }
    if !is_symptom(index) {
        return Home::Own;
    }
    let of_grade = |grade: Grade| -> Vec<usize> {
        let own = |below: &usize| !is_symptom(*below) && found[*below].grade == grade && standing[*below].direct;
        ring.below(index).filter(own).collect()
    };
    for grade in [Grade::Blocks, Grade::Waits] {
        let roots = of_grade(grade);
        if !roots.is_empty() {
            return Home::Under(roots, grade);
        }
    }
    Home::Own
}
