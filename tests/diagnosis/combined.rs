//! Two and three causes in one world: each is told as a root, what only follows from one is folded under it, and nothing
//! else is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mngup::{
    app::Question,
    domain::{Cause, Diagnosis, Family, Finding, IntOrPercent, NodeName, PodRef, Policy, Undrainable, elapsed, later},
    engine::event::Event,
    forecast::Rehearsal,
    sim::{Rng, World, WorldSpec},
};

use crate::{
    BLOCKS, outside, owed_since,
    proofs::{About, Begins, Beside, Proof, proof},
    told, worlds,
};

/// Worlds in a plain `cargo test`.
const WORLDS: u64 = 1000;

/// Longer than a node is given to empty.
const WATCHED: Duration = Duration::from_mins(18);

/// What stands on a node for so long after its cordon is held: nothing here takes a third of it to leave.
const HELD: Duration = Duration::from_mins(6);

/// A cause, and what is told in its world: itself and what it brings along.
struct Alone {
    cause: Cause,
    roots: BTreeSet<Cause>,
}

/// A cause in the namespace that it has for itself.
struct Placed<'a> {
    alone: &'a Alone,
    proof: Proof,
    namespace: String,
}

#[test]
fn score_of_combined_worlds() {
    let of_pods = known(Beside::Others, &roomy());
    let seeds = worlds::seeds(WORLDS);
    let count = seeds.end - seeds.start;
    let wrong: Vec<String> = worlds::each(seeds, |seed| pods_alone(seed, &of_pods)).into_iter().flatten().collect();
    eprintln!("{count} worlds of two or three of {} causes of pods, {} told wrongly", of_pods.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn score_of_worlds_with_a_cause_of_the_group() {
    let (of_pods, of_group) = (known(Beside::Others, &tight()), known(Beside::Pods, &tight()));
    let seeds = worlds::seeds(WORLDS);
    let count = seeds.end - seeds.start;
    let played = worlds::each(seeds, |seed| beside_the_group(seed, &of_group, &of_pods));
    let (told, wrong): (Vec<_>, Vec<_>) = played.into_iter().partition(Result::is_ok);
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    let told: usize = told.into_iter().filter_map(Result::ok).sum();
    eprintln!(
        "{count} worlds of one of {} causes of the group and one or two of {} of pods, {} told wrongly; {told} causes of \
         pods were in the way too",
        of_group.len(),
        of_pods.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn score_of_worlds_that_are_looked_at_before_an_upgrade() {
    let of_group = seen_before(Beside::Pods);
    let of_pods = seen_before(Beside::Others);
    let seeds = worlds::seeds(WORLDS);
    let count = seeds.end - seeds.start;
    let wrong = worlds::each(seeds, |seed| before_an_upgrade(seed, &of_group, &of_pods));
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    eprintln!(
        "{count} worlds before an upgrade, of one of {} causes of the group and one or two of {} of pods, {} told wrongly",
        of_group.len(),
        of_pods.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every node at once, with as many new ones beside them: else a cause of the last node would never be met.
fn roomy() -> Policy {
    Policy { max_surge: Some(IntOrPercent::Percent(100)), ..endless() }
}

/// Half of the nodes at once and none beside them: else new nodes would be waited for, and none ever emptied.
fn tight() -> Policy {
    let (max_surge, max_unavailable) = (Some(IntOrPercent::Int(0)), Some(IntOrPercent::Percent(50)));
    Policy { max_surge, max_unavailable, ..endless() }
}

/// Goes on whatever stands still.
fn endless() -> Policy {
    Policy { undrainable: Undrainable::Quarantine, max_quarantined: u32::MAX, ..Policy::default() }
}

/// All that is seen before anything was tried, with what each brings along.
fn seen_before(beside: Beside) -> Vec<Alone> {
    let all = Cause::ALL.iter().map(|cause| (*cause, proof(*cause))).filter(|(_, proof)| proof.beside == beside);
    let seen = all.filter_map(|(cause, proof)| {
        let found = outside::look(&proof.world, &Question::BeforeUpgrade);
        let roots = found.findings.iter().map(|finding| finding.cause).collect();
        told(&found, cause, &proof).map(|_| Alone { cause, roots })
    });
    seen.collect()
}

/// Each is a root, and nothing else is.
fn before_an_upgrade(seed: u64, of_group: &[Alone], of_pods: &[Alone]) -> Option<String> {
    let mut rng = Rng::new(seed);
    let count = rng.between(1, 2) as usize;
    let mut placed = vec![of(pick(&mut rng, of_group), "ground")];
    placed.extend(drawn(&mut rng, count, of_pods));
    let found = outside::look(&together(&placed), &Question::BeforeUpgrade);
    let missed = placed.iter().find(|one| told(&found, one.alone.cause, &one.proof).is_none());
    let fault = missed.map(|one| format!("{} is not told", one.alone.cause));
    fault.or_else(|| odd(found.findings.iter(), &placed)).map(|what| at_fault(seed, &placed, &what))
}

/// All that can stand beside these, with what each brings along.
fn known(beside: Beside, policy: &Policy) -> Vec<Alone> {
    let of_a_run = |proof: &Proof| proof.grade == BLOCKS && proof.about == About::Run && proof.outside.is_none();
    let all = Cause::ALL.iter().map(|cause| (*cause, proof(*cause)));
    let fit = all.filter(|(_, proof)| proof.beside == beside && of_a_run(proof));
    fit.filter_map(|(cause, proof)| alone(cause, &proof, policy)).collect()
}

fn alone(cause: Cause, proof: &Proof, policy: &Policy) -> Option<Alone> {
    let rehearsal = watched(proof.world.clone(), policy);
    if !is_told(&rehearsal, cause, proof) {
        eprintln!("{cause} is not told alone");
        return None;
    }
    let mut roots: BTreeSet<Cause> = blocking(&rehearsal).map(|finding| finding.cause).collect();
    // Where a broken pod stands is chance: on a node that is being emptied its own budget keeps it, elsewhere it keeps
    // others.
    if roots.iter().any(|root| root.family() == Family::Container) {
        roots.insert(Cause::PdbUnhealthyBlocks);
    }
    if cause == Cause::PdbUnhealthyBlocks {
        roots.insert(Cause::PodCrashLoop);
    }
    Some(Alone { cause, roots })
}

/// Each is a root.
fn pods_alone(seed: u64, of_pods: &[Alone]) -> Option<String> {
    let mut rng = Rng::new(seed);
    let count = rng.between(2, 3) as usize;
    let placed = drawn(&mut rng, count, of_pods);
    let rehearsal = watched(together(&placed), &roomy());
    let missed = placed.iter().find(|one| !is_told(&rehearsal, one.alone.cause, &one.proof));
    let fault = missed.map(|one| format!("{} is not told", one.alone.cause));
    fault.or_else(|| odd(blocking(&rehearsal), &placed)).map(|what| at_fault(seed, &placed, &what))
}

/// The group's is a root, and whatever stands on a node for long is held by it or by a cause of its own; how many of
/// those were told.
fn beside_the_group(seed: u64, of_group: &[Alone], of_pods: &[Alone]) -> Result<usize, String> {
    let mut rng = Rng::new(seed);
    let count = rng.between(1, 2) as usize;
    // Its world is the ground on which the others stand.
    let mut placed = vec![of(pick(&mut rng, of_group), "ground")];
    placed.extend(drawn(&mut rng, count, of_pods));
    let rehearsal = watched(together(&placed), &tight());
    let (ground, pods) = placed.split_first().expect("it was placed first");
    let fault = || {
        if is_met(&rehearsal, &ground.proof) && !is_told(&rehearsal, ground.alone.cause, &ground.proof) {
            return Some(format!("{} is not told", ground.alone.cause));
        }
        odd(blocking(&rehearsal), &placed).or_else(|| unexplained(&rehearsal))
    };
    match fault() {
        Some(what) => Err(at_fault(seed, &placed, &what)),
        None => Ok(pods.iter().filter(|one| is_told(&rehearsal, one.alone.cause, &one.proof)).count()),
    }
}

/// So many different ones, each in a namespace of its own.
fn drawn<'a>(rng: &mut Rng, count: usize, from: &'a [Alone]) -> Vec<Placed<'a>> {
    let mut chosen: BTreeMap<Cause, Placed<'_>> = BTreeMap::new();
    while chosen.len() < count {
        let (alone, namespace) = (pick(rng, from), format!("team-{}", chosen.len()));
        chosen.entry(alone.cause).or_insert_with(|| of(alone, &namespace));
    }
    chosen.into_values().collect()
}

fn pick<'a>(rng: &mut Rng, from: &'a [Alone]) -> &'a Alone {
    &from[rng.between(0, u32::try_from(from.len() - 1).unwrap()) as usize]
}

fn of<'a>(alone: &'a Alone, namespace: &str) -> Placed<'a> {
    Placed { alone, proof: proof(alone.cause).moved_to(namespace), namespace: namespace.to_owned() }
}

fn is_told(rehearsal: &Rehearsal, cause: Cause, proof: &Proof) -> bool {
    rehearsal.diagnoses().any(|found| told(found, cause, proof).is_some())
}

/// Whether a cause of the group had the time to be seen: as long as pods hold every node, none is replaced.
fn is_met(rehearsal: &Rehearsal, proof: &Proof) -> bool {
    let begun = match proof.begins {
        Begins::At(after) => Some(later(rehearsal.world().start(), after)),
        Begins::Cordoned | Begins::Owed | Begins::Launched | Begins::Joined | Begins::Left => owed_since(rehearsal),
    };
    begun.is_some_and(|begun| elapsed(begun, rehearsal.world().now()) >= proof.by_nature + HELD)
}

fn blocking(rehearsal: &Rehearsal) -> impl Iterator<Item = &Finding> {
    rehearsal.diagnoses().flat_map(Diagnosis::blocking)
}

/// What is told as a root and is none.
fn odd<'a>(mut told: impl Iterator<Item = &'a Finding>, placed: &[Placed<'_>]) -> Option<String> {
    let brought = |one: &Placed<'_>, finding: &Finding| one.alone.roots.contains(&finding.cause);
    let is_expected = |finding: &Finding| match finding.object.namespace() {
        Some(namespace) => placed.iter().any(|one| one.namespace == namespace && brought(one, finding)),
        None => placed.iter().any(|one| brought(one, finding)),
    };
    let odd = told.find(|finding| !is_expected(finding));
    odd.map(|finding| format!("{} {} is told as a root", finding.cause, finding.object))
}

/// A pod that has stood for long on a node that is being emptied, and that nothing told so far holds.
fn unexplained(rehearsal: &Rehearsal) -> Option<String> {
    let now = rehearsal.world().now();
    let mut cordoned: BTreeMap<&NodeName, bool> = BTreeMap::new();
    for record in rehearsal.records() {
        if let Event::NodeCordoned { node, .. } = &record.event {
            cordoned.insert(node, elapsed(record.at, now) >= HELD);
        }
    }
    let explained: BTreeSet<&PodRef> = blocking(rehearsal).flat_map(|finding| &finding.holds.pods).collect();
    let mut stands = rehearsal.world().pods().filter(|pod| {
        let long = pod.node.as_ref().is_some_and(|node| cordoned.get(node) == Some(&true));
        long && !pod.is_finished() && pod.owner.as_ref().is_none_or(|owner| owner.kind != "DaemonSet")
    });
    stands.find(|pod| !explained.contains(&pod.id)).map(|pod| format!("nothing holds {}, and it stays", pod.id))
}

fn at_fault(seed: u64, placed: &[Placed<'_>], what: &str) -> String {
    let codes: Vec<_> = placed.iter().map(|one| one.alone.cause.code()).collect();
    format!("seed {seed}, {}: {what}", codes.join(" and "))
}

fn watched(spec: WorldSpec, policy: &Policy) -> Rehearsal {
    let mut rehearsal = Rehearsal::begin(World::new(spec, 1), policy.clone()).expect("an upgrade of this world begins");
    let end = later(rehearsal.world().now(), WATCHED);
    rehearsal.play_until(end).expect("an upgrade keeps every promise");
    rehearsal
}

/// The first one's world with what the others have.
fn together(placed: &[Placed<'_>]) -> WorldSpec {
    let mut worlds = placed.iter().map(|one| one.proof.world.clone());
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
