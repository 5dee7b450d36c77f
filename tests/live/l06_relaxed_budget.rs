//! L6: somebody relaxes a budget while we wait for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::support::aws::World;
use crate::support::checks;
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{AuditEntry, Bed, BedOptions, eventually};

#[test]
fn an_eviction_follows_as_soon_as_its_budget_allows_it() {
    let world = World { old: 2, ..World::default() };
    let workloads = all([deployment("cart", 2).apart().yaml(), pdb("cart", "minAvailable: \"100%\"")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let mut run = bed.spawn_upgrade(&["--max-surge", "1", "--post-drain-delay", "1s"]);
    // The plan names the budget, too; this is a node that drains and waits for it.
    run.wait_until_said(" left): PDB-NEVER-ALLOWS pdb/default/cart", Duration::from_secs(60));
    let attempts = || bed.audit().into_iter().filter(|entry| entry.subresource == "eviction");
    assert_eq!(attempts().collect::<Vec<_>>(), [], "an eviction that must be refused is not tried, let alone again");

    let patch = r#"{"spec": {"minAvailable": null, "maxUnavailable": 1}}"#;
    bed.plane.kubectl(&["patch", "pdb", "cart", "--type", "merge", "-p", patch]);
    let first = eventually(Duration::from_secs(30), "an eviction", || bed.evictions().into_iter().next());
    // Nothing but our patch and the controller's status changed the budget.
    let audit = bed.plane.audit();
    let mut of_budget = audit.iter().filter(|entry| entry.resource == "poddisruptionbudgets");
    let relaxed = of_budget.find(|entry| entry.verb == "patch" && entry.uri.contains("kubectl-patch"));
    let relaxed = relaxed.expect("the patch is in the log");
    let allowed = of_budget.find(|entry| entry.subresource == "status" && entry.received > relaxed.received);
    let allowed = allowed.expect("the disruption controller's answer is in the log");
    let moment = |entry: &AuditEntry| entry.received.parse::<Timestamp>().expect("RFC 3339");
    let since = |entry: &AuditEntry| moment(&first).duration_since(moment(entry));
    println!(
        "L6: the eviction came {} ms after the budget was relaxed, {} ms after the controller allowed it",
        since(relaxed).as_millis(),
        since(allowed).as_millis()
    );
    assert!(attempts().all(|entry| entry.received > allowed.received), "only once the controller had allowed it");
    // The watch brought it, and not the timer for watches that are lost; a busy machine gets three seconds.
    assert!(since(relaxed) <= SignedDuration::from_secs(3), "{:?}", since(relaxed));

    let run = run.wait(Duration::from_secs(60));
    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, 2);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
}
