//! Why does it not move: from what was seen to causes, each once, the roots before their symptoms.
//!
//! Pure, like all of the core. Each family of causes has a file with a [`Rule`]; no rule looks at what another found. Who
//! waits for whom is a graph of facts, and the ranking at the end walks it.

mod announce;
mod budget;
mod containers;
mod demands;
mod eks;
mod eks_codes;
mod examiner;
mod from_wait;
mod graph;
mod group;
mod joins;
mod launch_words;
mod launches;
mod leaving;
pub mod limits;
mod memory;
mod missing;
mod nodes;
mod pages;
mod pending;
mod placing;
mod rank;
mod refused;
mod remedy;
mod requests;
mod resizes;
mod scene;
mod scheduler_words;
mod targets;
#[cfg(test)]
mod tests;
mod tree;
mod unexplained;
mod volumes;

use std::collections::BTreeSet;

pub use announce::Announcer;
pub use examiner::Examiner;
pub use from_wait::from_wait;
pub use memory::Memory;
pub use pages::page;
use scene::Scene;
pub use scene::View;

use crate::domain::{Ask, CannotTell, Cause, Diagnosis, Finding, Uid};

/// One family of causes.
struct Rule {
    /// What it may find.
    causes: &'static [Cause],
    /// Looks for them.
    find: fn(&Scene<'_>, &mut Verdicts),
}

/// Every rule; each cause is in one.
const RULES: &[Rule] = &[
    budget::RULE,
    leaving::RULE,
    refused::RULE,
    containers::RULE,
    pending::RULE,
    missing::RULE,
    volumes::RULE,
    nodes::RULE,
    joins::RULE,
    launches::RULE,
    group::RULE,
    eks::RULE,
    unexplained::RULE,
];

/// What rules say.
#[derive(Debug, Default)]
struct Verdicts {
    found: Vec<Finding>,
    unknown: Vec<CannotTell>,
}

/// What was found, and what had to be known for it.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What was found.
    pub diagnosis: Diagnosis,
    /// All that rules asked for: whoever answers it and looks again sees more.
    pub asks: BTreeSet<Ask>,
    /// Pods that are to leave and that nothing holds, by uid: one for which that stays so is told as unexplained.
    pub unexplained: BTreeSet<Uid>,
}

/// Looks for every cause, and puts the roots first.
#[must_use]
pub fn examine(view: View<'_>) -> Examined {
    let scene = Scene::of(view);
    let mut verdicts = Verdicts::default();
    for rule in RULES {
        let before = verdicts.found.len();
        (rule.find)(&scene, &mut verdicts);
        debug_assert!(verdicts.found[before..].iter().all(|found| rule.causes.contains(&found.cause)));
    }
    let graph = graph::of(&scene);
    let mut findings = rank::rank(&scene, &graph, verdicts.found);
    let left_over = unexplained::pods(&scene, &findings);
    findings.extend(unexplained::findings(&scene, &left_over));
    group::only_what_works_now(&scene, &mut findings);
    rank::sort(&mut findings);
    let tree = tree::tree(&scene, &graph, &findings);
    let subject = scene.view.subject.clone();
    let diagnosis = Diagnosis { at: scene.view.now, subject, findings, unknown: verdicts.unknown, tree };
    let unexplained = left_over.into_iter().map(|(_, pod)| pod.id.uid.clone()).collect();
    Examined { diagnosis, asks: scene.asked(), unexplained }
}
