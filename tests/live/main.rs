//! Tests against a real control plane. Build it first: `tests/control-plane/build.sh`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(unreachable_pub, reason = "the support modules mark what they offer to the tests")]

mod control_plane;
mod d1_budgets;
mod d1_containers;
mod d1_controllers;
mod d1_leaving;
mod d1_lost;
mod d1_nodes;
mod d1_pending;
mod d1_places;
mod d1_pods;
mod d1_refused;
mod d1_volumes;
mod d2_group;
mod d2_instances;
mod d2_launches;
mod d_update_two_budgets;
mod l01_whole_group;
mod l02_never_allows;
mod l05_two_budgets;
mod l06_relaxed_budget;
mod l07_killed;
mod l08_second_run;
mod l09_interrupted;
mod l10_no_replacement;
mod l11_self_managed;
mod l12_stormy;
mod l13_other_nodes;
mod l14_traps;
mod l15_hook;
mod l16_lease;
mod permits;
mod secrets;
#[allow(dead_code, unused_imports, reason = "benchmarks have this module too; each uses a part of it")]
mod support;
