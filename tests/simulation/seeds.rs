//! Seeds that once broke a promise, each with what it was.

use crate::check;

#[track_caller]
fn holds(seed: u64) {
    if let Err(what) = check(seed) {
        panic!("seed {seed}: {what}");
    }
}

#[test]
fn the_first_world_is_upgraded() {
    holds(0);
}
