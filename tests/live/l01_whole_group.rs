//! L1: twelve nodes in three zones are replaced, and nobody notices.

use crate::support::aws::World;
use crate::support::checks::{self, Figures};
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions};

/// Twenty Deployments of six pods with a budget each, and a DaemonSet.
fn shop() -> String {
    let apps = (1..=20).map(|number| format!("app-{number}"));
    let apps = apps.flat_map(|app| [deployment(&app, 6).yaml(), pdb(&app, "maxUnavailable: 1")]);
    all(apps.chain([daemon_set("agent")]))
}

#[test]
fn twelve_nodes_are_replaced_and_every_budget_holds() {
    let world = World { old: 12, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: shop() }) else { return };
    let sampler = bed.sample();
    let run = bed.upgrade(&["--max-surge", "1", "--post-drain-delay", "1s"]);
    bed.wait_until_settled();
    let seen = sampler.finish();
    let figures = Figures::of(&bed);
    println!("L1: {:?}, {figures}, {seen:?}\n{}", run.took, checks::breakdown(&bed));

    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, 12);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    checks::az_rebalance_stood_still(&bed);
    checks::every_request_names_mngup(&bed);
    assert!(seen.states > 200, "{seen:?}");
    assert!(seen.fewest_serving >= 11, "one may be out: {seen:?}");
    assert!(seen.most_nodes <= 13, "one extra: {seen:?}");
    assert_eq!(seen.broken_budgets, [] as [String; 0]);
    // 120 pods, each evicted once: 1.02 of it at most.
    assert!(figures.evictions <= 122 && figures.moved >= 115, "{figures}");
}
