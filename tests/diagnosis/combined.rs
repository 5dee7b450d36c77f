//! Two and three causes in one world: each is told as a root, what only follows from one is folded under it, and nothing
//! else is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mngup::{
    domain::{Cause, Diagnosis, Family, Finding, IntOrPercent, Policy, Undrainable, later},
    forecast::Rehearsal,
    sim::{Rng, World, WorldSpec},
};

use crate::{
    BLOCKS,
    proofs::{About, Proof, proof},
    told, worlds,
};

/// Worlds in a plain `cargo test`.
const WORLDS: u64 = 1000;

/// Longer than a node is given to empty.
const WATCHED: Duration = Duration::from_mins(18);

/// What is told of one cause: itself, and what it brings along, as it does alone.
struct Alone {
    cause: Cause,
    roots: BTreeSet<Cause>,
}

#[test]
fn score_of_combined_worlds() {
    let alone: Vec<Alone> = Cause::ALL.iter().filter_map(|cause| alone(*cause)).collect();
    let seeds = worlds::seeds(WORLDS);
    let count = seeds.end - seeds.start;
    let wrong: Vec<String> = worlds::each(seeds, |seed| play(seed, &alone)).into_iter().flatten().collect();
    eprintln!("{count} worlds of two or three of {} causes, {} told wrongly", alone.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What it brings along, if it is one that others can stand beside: something about pods of one namespace.
fn alone(cause: Cause) -> Option<Alone> {
    let proof = proof(cause);
    let about_pods = match cause.family() {
        Family::Budget | Family::Leaving | Family::Refused | Family::Container | Family::Pending | Family::Volume => {
            true
        }
        Family::Node | Family::Join | Family::Launch | Family::Group | Family::Eks => false,
    };
    if proof.grade != BLOCKS || proof.about != About::Run || !proof.combines || !about_pods {
        return None;
    }
    let rehearsal = watched(proof.world.clone());
    let is_told = rehearsal.diagnoses().any(|found| told(found, cause, &proof).is_some());
    if !is_told {
        eprintln!("{cause} is not told alone");
        return None;
    }
    let roots = rehearsal.diagnoses().flat_map(Diagnosis::blocking).map(|finding| finding.cause).collect();
    Some(Alone { cause, roots })
}

fn play(seed: u64, alone: &[Alone]) -> Option<String> {
    let mut rng = Rng::new(seed);
    let mut chosen: BTreeMap<usize, String> = BTreeMap::new();
    let count = rng.between(2, 3) as usize;
    while chosen.len() < count {
        let index = rng.between(0, u32::try_from(alone.len() - 1).unwrap()) as usize;
        let namespace = format!("team-{}", chosen.len());
        chosen.entry(index).or_insert(namespace);
    }
    let proofs: Vec<(Cause, Proof)> = chosen
        .iter()
        .map(|(index, namespace)| (alone[*index].cause, proof(alone[*index].cause).moved_to(namespace)))
        .collect();
    let rehearsal = watched(together(proofs.iter().map(|(_, proof)| &proof.world)));
    let codes: Vec<_> = proofs.iter().map(|(cause, _)| cause.code()).collect();
    let fault = |what: String| Some(format!("seed {seed}, {}: {what}", codes.join(" and ")));
    for (cause, proof) in &proofs {
        if !rehearsal.diagnoses().any(|found| told(found, *cause, proof).is_some()) {
            return fault(format!("{cause} is not told"));
        }
    }
    let expected: BTreeMap<&str, &BTreeSet<Cause>> =
        chosen.iter().map(|(index, namespace)| (namespace.as_str(), &alone[*index].roots)).collect();
    let all: BTreeSet<Cause> = expected.values().copied().flatten().copied().collect();
    let is_expected = |finding: &Finding| match finding.object.namespace() {
        Some(namespace) => expected.get(namespace).is_some_and(|roots| roots.contains(&finding.cause)),
        None => all.contains(&finding.cause),
    };
    let odd = rehearsal.diagnoses().flat_map(Diagnosis::blocking).find(|finding| !is_expected(finding));
    odd.and_then(|finding| fault(format!("{} {} is told as a root", finding.cause, finding.object)))
}

/// Every node at once, with as many new ones beside them: else a cause of the last node would never be met.
fn watched(spec: WorldSpec) -> Rehearsal {
    let policy = Policy {
        max_surge: Some(IntOrPercent::Percent(100)),
        undrainable: Undrainable::Quarantine,
        max_quarantined: u32::MAX,
        ..Policy::default()
    };
    let mut rehearsal = Rehearsal::begin(World::new(spec, 1), policy).expect("an upgrade of this world begins");
    let end = later(rehearsal.world().now(), WATCHED);
    rehearsal.play_until(end).expect("an upgrade keeps every promise");
    rehearsal
}

/// One world with what each of them has.
fn together<'a>(worlds: impl Iterator<Item = &'a WorldSpec>) -> WorldSpec {
    let mut worlds = worlds.cloned();
    let first = worlds.next().expect("there is one");
    worlds.fold(first, |mut all, world| {
        all.workloads.extend(world.workloads);
        all.budgets.extend(world.budgets);
        all.faults.extend(world.faults);
        all.denied.extend(world.denied);
        all.quotas.extend(world.quotas);
        all
    })
}
