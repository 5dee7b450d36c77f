//! Random worlds, played through the whole engine with every promise watched.
//!
//! `MNGUP_WORLDS=100000 cargo test --release --test simulation` plays more; `MNGUP_SEED=7` plays one and tells it,
//! `MNGUP_FIRST=10000` begins there, `MNGUP_ABORT=1` undoes every run in the middle, `MNGUP_LAG=1` looks late.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stderr,
    reason = "tests"
)]

mod oracle;
mod player;
mod seeds;
mod settings;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use mngup::engine::event::RunOutcome;

use crate::{
    oracle::judge,
    player::{Played, play},
    settings::{settings, world},
};

/// Worlds in a plain `cargo test`.
const WORLDS: u64 = 10_000;

#[test]
fn random_worlds_keep_every_promise() {
    if let Some(seed) = number("MNGUP_SEED") {
        return tell(seed);
    }
    let worlds = number("MNGUP_WORLDS").unwrap_or(WORLDS);
    let first = number("MNGUP_FIRST").unwrap_or(0);
    let next = AtomicU64::new(first);
    let lanes = thread::available_parallelism().map_or(2, Into::into);
    let results: Vec<_> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(|| lane(&next, first + worlds))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failures = BTreeMap::new();
    let mut crashes = 0;
    for lane in results {
        for (name, count) in lane.outcomes {
            *outcomes.entry(name).or_default() += count;
        }
        failures.extend(lane.failures);
        crashes += lane.crashes;
    }
    eprintln!("{worlds} worlds, {crashes} crashes: {outcomes:?}");
    if let Some((seed, what)) = failures.iter().next() {
        for (seed, what) in &failures {
            eprintln!("seed {seed}: {}", what.lines().next().unwrap_or_default());
        }
        panic!(
            "{} of {worlds} worlds broke a promise: seeds {:?}\nseed {seed}: {what}\n\nreplay: MNGUP_SEED={seed} cargo test --test simulation random -- --nocapture",
            failures.len(),
            failures.keys().take(20).collect::<Vec<_>>()
        );
    }
    // A test of rollouts in which hardly any gets through would prove little.
    let done = outcomes.get("done").copied().unwrap_or(0);
    let aborts = outcomes.get("aborted").copied().unwrap_or(0);
    assert!(done * 2 > worlds - aborts, "only {done} of {worlds} worlds were upgraded");
}

#[derive(Default)]
struct Lane {
    outcomes: BTreeMap<&'static str, u64>,
    failures: BTreeMap<u64, String>,
    crashes: u64,
}

fn lane(next: &AtomicU64, end: u64) -> Lane {
    let mut lane = Lane::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || lane.failures.len() >= 20 {
            return lane;
        }
        match check(seed) {
            Ok(played) => {
                *lane.outcomes.entry(name(&played.outcome)).or_default() += 1;
                lane.crashes += u64::from(played.crashes);
            }
            Err(what) => drop(lane.failures.insert(seed, what)),
        }
    }
}

/// Plays one world and judges it.
pub fn check(seed: u64) -> Result<Played, String> {
    check_as(seed, &settings(seed))
}

/// The same, played so.
pub fn check_as(seed: u64, settings: &player::Play) -> Result<Played, String> {
    let played = play(world(seed), seed, settings)?;
    let broken = judge(&played, settings);
    if broken.is_empty() { Ok(played) } else { Err(broken.join("\n")) }
}

fn tell(seed: u64) {
    let settings = settings(seed);
    let spec = world(seed);
    eprintln!("{spec:#?}\n{settings:#?}");
    let played = play(spec, seed, &settings).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    for record in &played.records {
        eprintln!("{} {:?}", record.at, record.event);
    }
    let broken = judge(&played, &settings);
    assert!(broken.is_empty(), "seed {seed} ended {:?}:\n{}", played.outcome, broken.join("\n"));
}

fn name(outcome: &RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Quarantined { .. } => "quarantined",
        RunOutcome::EvictionFailed => "eviction failed",
        RunOutcome::ReplacementFailed => "replacement failed",
        RunOutcome::Refused { .. } => "refused",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Aborted => "aborted",
        RunOutcome::NotTakenBack { .. } => "not taken back",
        RunOutcome::InvariantBroken { .. } => "invariant broken",
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
