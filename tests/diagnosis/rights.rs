//! Each cause for somebody who may read nothing beyond what an upgrade needs: it is found all the same, or what lacks is
//! named, and nothing wrong is told instead.

use std::{collections::BTreeSet, time::Duration};

use mngup::domain::{Cause, Diagnosis, Lack, later};

use crate::{
    STEP, begin, outside,
    proofs::{Proof, proof},
    told,
};

/// How the rights begin that an upgrade can go without: all that a diagnosis asks for.
const BEYOND: [&str; 10] = [
    "list events",
    "get ",
    "list nodes",
    "list v",
    "list resourcequotas",
    "list endpointslices",
    "list pods in",
    "autoscaling:",
    "ec2:",
    "eks:List",
];

/// Longer than a node is given to empty.
const WATCHED: Duration = Duration::from_mins(20);

#[test]
fn without_rights_a_cause_is_found_all_the_same_or_what_lacks_is_named() {
    let wrong: Vec<String> = Cause::ALL.iter().filter_map(|cause| fault(*cause)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_run_that_can_only_name_a_symptom_says_what_it_lacks() {
    let mut proof = proof(Cause::Quota);
    proof.world.denied.push("list events".to_owned());
    let mut rehearsal = begin(&proof.world);
    rehearsal.play_until(later(rehearsal.world().now(), WATCHED)).expect("an upgrade keeps every promise");
    let of_symptom = |found: &&Diagnosis| found.blocking().any(|finding| finding.cause == Cause::PdbExhausted);
    let told = rehearsal.diagnoses().find(of_symptom).expect("the budget is named");
    let lacks: Vec<_> = told.unknown.iter().map(|unknown| (unknown.cause, unknown.lacking.to_string())).collect();
    let [(Cause::CreateRefused, right)] = lacks.as_slice() else { panic!("{lacks:?}") };
    assert!(right.starts_with("lacking the right to list events of replicaset/default/cart-"), "{right}");
}

fn fault(cause: Cause) -> Option<String> {
    let mut proof = proof(cause);
    let told_with = causes(&looks(&proof));
    proof.world.denied.extend(BEYOND.iter().map(ToString::to_string));
    let looked = looks(&proof);
    let is_told = looked.iter().any(|found| told(found, cause, &proof).is_some());
    let lacks = |found: &Diagnosis| found.unknown.iter().any(|unknown| matches!(unknown.lacking, Lack::Right(_)));
    if !is_told && !looked.iter().any(lacks) {
        return Some(format!("{cause} is not found, and nothing is said to lack"));
    }
    let instead =
        causes(&looked).into_iter().find(|other| !told_with.contains(other) && !coarser(cause).contains(other));
    instead.map(|other| format!("{other} is told in place of {cause}"))
}

/// What is said of it by whoever cannot see what tells it from others.
fn coarser(cause: Cause) -> &'static [Cause] {
    let finer: [(Cause, &[Cause]); 10] = [
        (Cause::PodTaints, &[Cause::PodPending]),
        (Cause::Quota, &[Cause::PdbExhausted]),
        (Cause::CreateRefused, &[Cause::PdbExhausted]),
        (Cause::JoinNoAccess, &[Cause::InstanceNeverJoined]),
        (Cause::PodNoAddress, &[Cause::PodStarting]),
        (Cause::PodSandbox, &[Cause::PodStarting]),
        (Cause::VolumeAttached, &[Cause::PodStarting]),
        (Cause::PodTooLarge, &[Cause::NoCapacity]),
        (Cause::NodeNoAddresses, &[Cause::NodeCni]),
        (Cause::NodeManagerRights, &[Cause::EksAccessDenied]),
    ];
    finer.into_iter().find(|(known, _)| *known == cause).map_or(&[], |(_, coarser)| coarser)
}

fn causes(looked: &[Diagnosis]) -> BTreeSet<Cause> {
    looked.iter().flat_map(Diagnosis::blocking).map(|finding| finding.cause).collect()
}

/// All that is said of it while it is watched.
fn looks(proof: &Proof) -> Vec<Diagnosis> {
    if let Some(question) = &proof.outside {
        return vec![outside::look(&proof.world, question)];
    }
    let mut rehearsal = begin(&proof.world);
    let start = rehearsal.world().now();
    let mut looked = Vec::new();
    let mut at = start;
    while at < later(start, WATCHED) {
        at = later(at, STEP);
        rehearsal.play_until(at).expect("an upgrade keeps every promise");
        looked.push(rehearsal.examine(&proof.subject(&rehearsal)));
    }
    looked.extend(rehearsal.diagnoses().cloned());
    looked
}
