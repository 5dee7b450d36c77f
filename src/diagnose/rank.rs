//! Roots before symptoms: each cause once, with all that it holds, and what only shows it folded under it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    graph::{Graph, Source, Spot, Vertex, Walker, Way},
    scene::Scene,
};
use crate::domain::{By, Cause, Finding, Grade, Held, Lacking, Object, Stand};

/// Where each finding stands.
#[derive(Clone, Default)]
struct Standing {
    holds: Held,
    /// Whether somebody waits for it at all.
    reached: bool,
    /// Whether somebody reaches it without passing a cause that stands by itself.
    direct: bool,
    /// Findings strictly below it.
    below: BTreeSet<usize>,
    /// Findings that it is strictly below of.
    above: BTreeSet<usize>,
}

/// Folds symptoms under their roots, each with whom it holds.
pub(super) fn rank(scene: &Scene<'_>, graph: &Graph, mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| (finding.cause, finding.object.clone()));
    let mut standing = vec![Standing::default(); found.len()];
    let at = places(graph, &found);
    hold(graph, &at, &mut standing);
    order(graph, &at, &mut standing);
    find_direct(graph, &found, &at, &mut standing);
    for (finding, standing) in found.iter_mut().zip(&mut standing) {
        let Held { nodes, pods, instances, group: _ } = &mut standing.holds;
        finding.holds.nodes.append(nodes);
        finding.holds.pods.append(pods);
        finding.holds.instances.append(instances);
    }
    note_nodes(scene, &mut found);
    note_group(scene, &mut found);
    fold(found, &standing)
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

/// Whom each finding holds: whatever waits for it and is a source of waiting.
fn hold(graph: &Graph, at: &BTreeMap<Spot, Vec<usize>>, standing: &mut [Standing]) {
    let mut begins: BTreeMap<Spot, Vec<&Source>> = BTreeMap::new();
    for source in &graph.sources {
        begins.entry(source.from).or_default().push(source);
    }
    let mut walker = Walker::new(graph);
    for (spot, here) in at {
        let waiting = walker.reach([*spot], Way::Up, |_| false);
        let sources: Vec<_> = waiting.iter().filter_map(|spot| begins.get(spot)).flatten().collect();
        for index in here {
            let Standing { holds, reached, .. } = &mut standing[*index];
            *reached = !sources.is_empty();
            holds.nodes.extend(sources.iter().filter_map(|source| source.node.clone()));
            holds.pods.extend(sources.iter().filter_map(|source| source.pod.clone()));
            holds.instances.extend(sources.iter().filter_map(|source| source.instance.clone()));
        }
    }
}

/// Which findings lie below which.
fn order(graph: &Graph, at: &BTreeMap<Spot, Vec<usize>>, standing: &mut [Standing]) {
    let mut walker = Walker::new(graph);
    for (spot, here) in at {
        let reached = walker.reach([*spot], Way::Down, |_| false);
        let below = reached.iter().filter(|reached| *reached != spot).filter_map(|spot| at.get(spot)).flatten();
        for lower in below {
            standing[*lower].above.extend(here);
            for index in here {
                standing[*index].below.insert(*lower);
            }
        }
    }
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

fn fold(mut found: Vec<Finding>, standing: &[Standing]) -> Vec<Finding> {
    let heads = heads(&found, standing);
    // Where each goes.
    let homes: Vec<Home> = (0..found.len()).map(|index| home(index, &found, standing, &heads)).collect();
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
    let explains = |index: &usize| {
        let grade = found[*index].grade;
        !is_symptom(*index) && standing[*index].direct && (grade == Grade::Blocks || grade == Grade::Waits)
    };
    let head = |index: usize| {
        if !is_symptom(index) {
            return Head::Root;
        }
        let below = &standing[index].below;
        if below.iter().any(explains) {
            return Head::None;
        }
        let symptoms: Vec<usize> = below.iter().copied().filter(|below| is_symptom(*below)).collect();
        if symptoms.is_empty() {
            return Head::Last;
        }
        if symptoms.iter().any(|other| !standing[*other].below.contains(&index)) {
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

fn home(index: usize, found: &[Finding], standing: &[Standing], heads: &[Head]) -> Home {
    let is_symptom = |index: usize| matches!(heads[index], Head::None);
    if standing[index].reached && !standing[index].direct {
        let blocks = |above: &usize| found[*above].grade == Grade::Blocks && matches!(heads[*above], Head::Root);
        // One that itself lies below another only would be told there, and this with it would be lost.
        let mut above = standing[index].above.iter().copied();
        if let Some(above) = above.find(|above| blocks(above) && standing[*above].direct) {
            return Home::Because(above);
        }
    }
    if !is_symptom(index) {
        return Home::Own;
    }
    let of_grade = |grade: Grade| -> Vec<usize> {
        let own = |below: &usize| !is_symptom(*below) && found[*below].grade == grade && standing[*below].direct;
        standing[index].below.iter().copied().filter(own).collect()
    };
    for grade in [Grade::Blocks, Grade::Waits] {
        let roots = of_grade(grade);
        if !roots.is_empty() {
            return Home::Under(roots, grade);
        }
    }
    Home::Own
}
