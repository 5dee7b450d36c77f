//! Seeds that once broke a promise, each with what it was.

use std::time::Duration;

use crate::{check_as, settings::settings};

/// Played to its end, without an abort.
#[track_caller]
fn holds(seed: u64) {
    judge(seed, None);
}

#[track_caller]
fn judge(seed: u64, abort_after: Option<Duration>) {
    let mut settings = settings(seed);
    settings.abort_after = abort_after;
    if let Err(what) = check_as(seed, &settings) {
        panic!("seed {seed}: {what}");
    }
}

#[test]
fn the_first_world_is_upgraded() {
    holds(0);
}

#[test]
fn what_somebody_uncordons_is_not_cordoned_again_past_the_budget() {
    holds(56_993);
}

#[test]
fn nor_with_crashes() {
    holds(12_174);
}

#[test]
fn nor_with_a_budget_of_none() {
    holds(41_737);
}

#[test]
fn a_maximum_is_lowered_though_a_second_raise_was_refused() {
    holds(67_744);
}

#[test]
fn nor_after_two_crashes_and_an_abort() {
    let found = (0..1500).step_by(10).find(|after| {
        let mut settings = settings(94_263);
        settings.abort_after = Some(Duration::from_secs(*after));
        check_as(94_263, &settings).is_err()
    });
    if let Some(after) = found {
        judge(94_263, Some(Duration::from_secs(after)));
    }
}
