//! Every cause, made in a simulated world: found by its code and object within a minute, and its near miss not.
//!
//! `cargo test --test diagnosis score -- --nocapture` prints the score; `MNGUP_WORLDS=10000` plays more worlds,
//! `MNGUP_SEED=7` one.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

mod asking;
mod capacity;
mod combined;
mod commands;
mod healthy;
mod outside;
mod proofs;
mod rights;
mod worlds;

#[path = "../live/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the live tests use the rest of it")]
mod support;

use std::time::Duration;

use mngup::{
    domain::{Cause, Diagnosis, Finding, Grade, IntOrPercent, Policy, elapsed, later},
    engine::event::Event,
    forecast::Rehearsal,
    sim::{World, WorldSpec},
};

use crate::proofs::{About, Begins, Proof, proof};

/// Within which a cause is to be found after its node was cordoned.
const WITHIN: Duration = Duration::from_mins(1);

/// How long a near miss is watched: longer than a node is given to empty.
const WATCHED: Duration = Duration::from_mins(20);

/// How often a world is looked at.
const STEP: Duration = Duration::from_secs(5);

#[test]
fn score() {
    let mut wrong = Vec::new();
    let mut slowest = Duration::ZERO;
    eprintln!(
        "`350s of 345s`: some things take their time by nature, and are no fault before it is over; named is when it"
    );
    eprintln!("was first told, be it as something that takes its time");
    eprintln!("{:<23} {:<7} {:<12} {:<10} object", "code", "named", "found after", "near miss");
    for cause in Cause::ALL.iter().copied() {
        let proof = proof(cause);
        let found = find(cause, &proof);
        let near = match &proof.outside {
            None => alarms(&proof, cause),
            Some(question) => outside::alarm(&proof.near_miss, question, cause),
        };
        let by_nature = match proof.by_nature.as_secs() {
            0 => String::new(),
            seconds => format!(" of {seconds}s"),
        };
        let alarm = near.as_ref().map_or("quiet", |_| "ALARM");
        if let Some(Found { named, after, finding }) = found {
            let (named, shown) = (format!("{}s", named.as_secs()), format!("{}s{by_nature}", after.as_secs()));
            eprintln!("{:<23} {named:<7} {shown:<12} {alarm:<10} {}", cause.code(), finding.object);
            let beyond = after.saturating_sub(proof.by_nature);
            slowest = slowest.max(beyond);
            if beyond > WITHIN {
                wrong.push(format!("{cause} was found only after {}s", after.as_secs()));
            }
        } else {
            eprintln!("{:<23} MISSED", cause.code());
            wrong.push(format!("{cause} was not found"));
        }
        wrong.extend(near.map(|what| format!("the near miss of {cause} is an alarm: {what}")));
    }
    let count = Cause::ALL.len();
    eprintln!(
        "{} of {count} causes right, the slowest {}s after its nature allows",
        count - wrong.len(),
        slowest.as_secs()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How long after it began to be in somebody's way a cause was told, and how.
struct Found {
    /// At all, be it as something that takes its time.
    named: Duration,
    /// As what it is.
    after: Duration,
    finding: Finding,
}

fn find(cause: Cause, proof: &Proof) -> Option<Found> {
    if let Some(question) = &proof.outside {
        // It was so before anybody looked.
        let found = outside::look(&proof.world, question);
        let (named, after) = (Duration::ZERO, Duration::ZERO);
        return told(&found, cause, proof).map(|finding| Found { named, after, finding: finding.clone() });
    }
    let mut rehearsal = begin(&proof.world);
    let start = rehearsal.world().now();
    let (mut at, mut named_at) = (start, None);
    while elapsed(start, at) < WATCHED {
        at = later(at, STEP);
        rehearsal.play_until(at).expect("an upgrade keeps every promise");
        let subject = proof.subject(&rehearsal);
        let found = rehearsal.examine(&subject);
        if named_at.is_none() && all(&found).any(|finding| is_it(finding, cause, proof)) {
            named_at = Some(at);
        }
        // What ends a run is told as it ends; nothing is left to look at afterwards.
        let mut looked = rehearsal.diagnoses().chain([&found]);
        if let Some((at, finding)) = looked.find_map(|found| Some((found.at, told(found, cause, proof)?))) {
            let held_since = held_since(&rehearsal, proof, finding).expect("it holds something up");
            let named = elapsed(held_since, named_at.unwrap_or(at).min(at));
            return Some(Found { named, after: elapsed(held_since, at), finding: finding.clone() });
        }
    }
    None
}

/// Where the cause is told as it should be: at this object, of this grade, as a root or under one.
fn told<'a>(found: &'a Diagnosis, cause: Cause, proof: &Proof) -> Option<&'a Finding> {
    let is_it = |finding: &&Finding| is_it(finding, cause, proof) && finding.grade == proof.grade;
    let roots = found.findings.iter();
    match proof.under {
        None => roots.clone().find(is_it).or_else(|| roots.clone().flat_map(|root| &root.because).find(is_it)),
        Some(root) => roots.clone().filter(|finding| finding.cause == root).flat_map(|root| &root.under).find(is_it),
    }
}

/// Whether it tells of this cause at the object where it was made, however much it matters.
fn is_it(finding: &Finding, cause: Cause, proof: &Proof) -> bool {
    finding.cause == cause && finding.object.to_string().starts_with(&proof.object)
}

fn all(found: &Diagnosis) -> impl Iterator<Item = &Finding> {
    found.findings.iter().flat_map(|root| [root].into_iter().chain(&root.under).chain(&root.because))
}

/// Since when it is in somebody's way.
fn held_since(rehearsal: &Rehearsal, proof: &Proof, finding: &Finding) -> Option<jiff::Timestamp> {
    let holds = &finding.holds;
    let is_it = |event: &Event| match (proof.begins, event) {
        (Begins::Cordoned, Event::NodeCordoned { node, .. }) => holds.nodes.is_empty() || holds.nodes.contains(node),
        (Begins::Launched, Event::Launched { instance, .. }) | (Begins::Joined, Event::Joined { instance, .. }) => {
            holds.instances.contains(instance)
        }
        (Begins::Left, Event::InstanceLeft { member, .. }) => {
            let node = member.node.as_ref().is_some_and(|node| holds.nodes.contains(node));
            node || holds.instances.contains(&member.instance)
        }
        (_, _) => false,
    };
    match proof.begins {
        Begins::At(after) => Some(later(rehearsal.world().start(), after)),
        Begins::Owed => owed_since(rehearsal),
        Begins::Cordoned | Begins::Launched | Begins::Joined | Begins::Left => {
            rehearsal.records().iter().find(|record| is_it(&record.event)).map(|record| record.at)
        }
    }
}

/// When the first instance began to leave: from then on the group owes one.
fn owed_since(rehearsal: &Rehearsal) -> Option<jiff::Timestamp> {
    let group = rehearsal.world().describe_group(true);
    group.activities.iter().filter(|activity| activity.is_termination()).map(|activity| activity.started_at).min()
}

/// The first false alarm in the world beside it; for a cause that blocks nothing, whether it is told at all.
fn alarms(proof: &Proof, cause: Cause) -> Option<String> {
    let mut rehearsal = begin(&proof.near_miss);
    let start = rehearsal.world().now();
    let mut at = start;
    while elapsed(start, at) < WATCHED {
        at = later(at, STEP);
        rehearsal.play_until(at).expect("an upgrade keeps every promise");
        if proof.about != About::Run {
            let found = rehearsal.examine(&proof.subject(&rehearsal));
            if let Some(finding) = found.blocking().find(|finding| finding.cause == cause) {
                return Some(format!("{} {}", finding.cause, finding.object));
            }
        }
    }
    let alarm = rehearsal.diagnoses().flat_map(Diagnosis::blocking).find(|finding| finding.cause == cause);
    alarm.map(|finding| format!("{} {}", finding.cause, finding.object))
}

fn begin(spec: &WorldSpec) -> Rehearsal {
    let policy = Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() };
    Rehearsal::begin(World::new(spec.clone(), 1), policy).expect("an upgrade of this world begins")
}

/// Of what grade a finding is that somebody must act on.
const BLOCKS: Grade = Grade::Blocks;
