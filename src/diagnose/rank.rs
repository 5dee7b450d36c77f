//! Roots before symptoms: each cause once, with all that it holds, and what only shows it folded under it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    graph::{Graph, Source, Vertex},
    scene::Scene,
};
use crate::domain::{By, Finding, Grade, Held, Lacking, Object, Stand};

/// Where each finding stands.
struct Standing {
    holds: Held,
    /// Whether somebody waits for it at all.
    reached: bool,
    /// Whether somebody reaches it without passing a cause that stands by itself.
    direct: bool,
}

impl Standing {
    fn hold(&mut self, source: &Source) {
        self.reached = true;
        self.holds.nodes.extend(source.node.clone());
        self.holds.pods.extend(source.pod.clone());
        self.holds.instances.extend(source.instance.clone());
    }
}

/// Folds symptoms under their roots, each with whom it holds.
pub(super) fn rank(scene: &Scene<'_>, graph: &Graph, mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| (finding.cause, finding.object.clone()));
    let mut at: BTreeMap<Vertex, Vec<usize>> = BTreeMap::new();
    for (index, finding) in found.iter().enumerate() {
        at.entry(Vertex::of(finding)).or_default().push(index);
    }
    let standing = stand(graph, &found, &at);
    let below: Vec<BTreeSet<usize>> = found.iter().map(|finding| below(graph, &at, finding)).collect();
    for (finding, standing) in found.iter_mut().zip(&standing) {
        finding.holds.nodes.extend(standing.holds.nodes.iter().cloned());
        finding.holds.pods.extend(standing.holds.pods.iter().cloned());
        finding.holds.instances.extend(standing.holds.instances.iter().cloned());
    }
    note_nodes(scene, &mut found);
    note_group(scene, &mut found);
    fold(found, &standing, &below)
}

/// Whom each finding holds, and whether directly.
fn stand(graph: &Graph, found: &[Finding], at: &BTreeMap<Vertex, Vec<usize>>) -> Vec<Standing> {
    let mut standing: Vec<_> =
        found.iter().map(|_| Standing { holds: Held::default(), reached: false, direct: false }).collect();
    let stops = |vertex: &Vertex| {
        let here = at.get(vertex).into_iter().flatten();
        here.copied().any(|index| found[index].grade == Grade::Blocks && found[index].cause.stand() == Stand::Root)
    };
    for source in &graph.sources {
        for index in graph.reach(&source.from, |_| false).into_iter().filter_map(|vertex| at.get(vertex)).flatten() {
            standing[*index].hold(source);
        }
        for index in graph.reach(&source.from, stops).into_iter().filter_map(|vertex| at.get(vertex)).flatten() {
            standing[*index].direct = true;
        }
    }
    standing
}

/// Findings strictly below this one.
fn below(graph: &Graph, at: &BTreeMap<Vertex, Vec<usize>>, finding: &Finding) -> BTreeSet<usize> {
    let own = Vertex::of(finding);
    let reached = graph.reach(&own, |_| false);
    reached
        .into_iter()
        .filter(|vertex| **vertex != own)
        .filter_map(|vertex| at.get(vertex))
        .flatten()
        .copied()
        .collect()
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

fn fold(mut found: Vec<Finding>, standing: &[Standing], below: &[BTreeSet<usize>]) -> Vec<Finding> {
    let heads = heads(&found, standing, below);
    // Where each goes.
    let homes: Vec<Home> = (0..found.len()).map(|index| home(index, &found, standing, below, &heads)).collect();
    for (index, head) in heads.iter().enumerate() {
        if let Head::OfRing(others) = head {
            let objects: Vec<_> = others.iter().map(|other| found[*other].object.to_string()).collect();
            let says = format!("each waits for the other: {} and {}", objects.join(", "), found[index].object);
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

/// The worst first: what somebody must act on, and of that what holds most.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| {
        let Held { nodes, pods, instances, group: _ } = &finding.holds;
        let held = (Reverse(nodes.len()), Reverse(pods.len()), Reverse(instances.len()));
        (finding.grade, held, finding.sure, finding.cause, finding.object.clone())
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

fn heads(found: &[Finding], standing: &[Standing], below: &[BTreeSet<usize>]) -> Vec<Head> {
    let is_symptom = |index: usize| found[index].cause.stand() == Stand::Symptom;
    let explains = |index: &usize| {
        let grade = found[*index].grade;
        !is_symptom(*index) && standing[*index].direct && (grade == Grade::Blocks || grade == Grade::Waits)
    };
    let head = |index: usize| {
        if !is_symptom(index) {
            return Head::Root;
        }
        if below[index].iter().any(explains) {
            return Head::None;
        }
        let symptoms: Vec<usize> = below[index].iter().copied().filter(|below| is_symptom(*below)).collect();
        if symptoms.is_empty() {
            return Head::Last;
        }
        if symptoms.iter().any(|other| !below[*other].contains(&index)) {
            return Head::None;
        }
        // Of those in a ring, that for which others are named least: room that is lacking, before budgets that are used up
        // for want of it. It is what an extra node puts an end to.
        let last = |index: usize| (Reverse(found[index].cause), &found[index].object);
        let is_first = symptoms.iter().all(|other| last(index) <= last(*other));
        if is_first { Head::OfRing(symptoms) } else { Head::None }
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

fn home(index: usize, found: &[Finding], standing: &[Standing], below: &[BTreeSet<usize>], heads: &[Head]) -> Home {
    let is_symptom = |index: usize| matches!(heads[index], Head::None);
    if standing[index].reached && !standing[index].direct {
        let blocks = |above: &usize| found[*above].grade == Grade::Blocks && matches!(heads[*above], Head::Root);
        let above = (0..found.len()).filter(|above| below[*above].contains(&index)).find(|above| {
            // One that itself lies below another only would be told there, and this with it would be lost.
            blocks(above) && standing[*above].direct
        });
        if let Some(above) = above {
            return Home::Because(above);
        }
    }
    if !is_symptom(index) {
        return Home::Own;
    }
    let of_grade = |grade: Grade| -> Vec<usize> {
        let own = |below: &usize| !is_symptom(*below) && found[*below].grade == grade && standing[*below].direct;
        below[index].iter().copied().filter(own).collect()
    };
    for grade in [Grade::Blocks, Grade::Waits] {
        let roots = of_grade(grade);
        if !roots.is_empty() {
            return Home::Under(roots, grade);
        }
    }
    Home::Own
}
