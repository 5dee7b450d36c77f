//! D1: budgets that nobody counts, because the controllers stand still.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::workloads::{all, deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions};

/// The one that a command clears away; the other one is over when the controllers go on.
const STALE: [Copies; 1] = [Copies { code: "PDB-STALE-DISRUPTED", namespaces: &["stale"], objects: &["pdb/app"] }];

#[test]
fn budgets_that_nobody_counts_are_named() {
    let world = World { old: 1, ..World::default() };
    let objects = || [deployment("app", 2).yaml(), pdb("app", "maxUnavailable: 1")];
    let workloads = all(["behind", "stale"].map(|namespace| in_namespace(namespace, objects())));
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let pod = bed.wait_for_pods("stale", 2, 0).remove(0);
    bed.plane.freeze_controllers();
    bed.plane.kubectl(&["-n", "behind", "patch", "pdb/app", "--type=merge", "-p", r#"{"spec":{"maxUnavailable":2}}"#]);
    // Played: an eviction that broke off, and a controller that did not forget it after two minutes.
    let long_ago = (Timestamp::now() - Duration::from_mins(5)).to_string();
    let disrupted = json!({ pod["metadata"]["name"].as_str().unwrap(): long_ago });
    let status = json!({ "status": { "disruptionsAllowed": 0, "disruptedPods": disrupted } }).to_string();
    bed.plane.kubectl(&["-n", "stale", "patch", "pdb/app", "--subresource=status", "--type=merge", "-p", &status]);

    let codes = ["PDB-STATUS-BEHIND", "PDB-STALE-DISRUPTED"];
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "1", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    // Whoever looks once goes by when the server says that it was changed.
    run.finding("PDB-STATUS-BEHIND", "behind");
    run.clear_and(&STALE, |_| bed.plane.thaw_controllers());
}
