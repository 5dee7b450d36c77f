//! L6: somebody relaxes a budget while we wait for it.

use std::time::Duration;

use jiff::Timestamp;

use crate::support::aws::World;
use crate::support::checks;
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions, eventually};

#[test]
fn an_eviction_follows_as_soon_as_its_budget_allows_it() {
    let world = World { old: 2, ..World::default() };
    let workloads = all([deployment("cart", 2).apart().yaml(), pdb("cart", "minAvailable: \"100%\"")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let mut run = bed.spawn_upgrade(&["--max-surge", "1", "--post-drain-delay", "1s"]);
    run.wait_until_said("pdb/default/cart", Duration::from_secs(60));
    assert_eq!(bed.evictions(), []);

    let patch = r#"{"spec": {"minAvailable": null, "maxUnavailable": 1}}"#;
    bed.plane.kubectl(&["patch", "pdb", "cart", "--type", "merge", "-p", patch]);
    let first = eventually(Duration::from_secs(30), "an eviction", || bed.evictions().into_iter().next());
    // Nothing but our patch and the controller's status changed the budget.
    let relaxed = bed.plane.audit().into_iter().find(|entry| {
        entry.resource == "poddisruptionbudgets"
            && entry.verb == "patch"
            && entry.user_agent.starts_with("kubectl")
            && entry.uri.contains("kubectl-patch")
    });
    let relaxed = relaxed.expect("the patch is in the log");
    let moment = |text: &str| text.parse::<Timestamp>().expect("RFC 3339");
    let lag = moment(&first.received).duration_since(moment(&relaxed.received));
    println!("L6: the eviction came {} ms after the budget was relaxed", lag.as_millis());
    assert!(lag.as_secs() < 3, "{lag:?}");

    let run = run.wait(Duration::from_secs(60));
    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, 2);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
}
