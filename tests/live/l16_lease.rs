//! L16: the Lease is lost in the middle of a run.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::aws::{Key, World};
use crate::support::checks;
use crate::support::facts::{changes_by, changes_of_aws, cordoned};
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{AuditEntry, Bed, BedOptions, COLLEAGUE, USER, eventually};

const LEASE: &str = "lease/mngup-workers";
const SOON: Duration = Duration::from_mins(1);

fn bed() -> Option<Bed> {
    let workloads = all([deployment("cart", 3).spread().yaml(), pdb("cart", "maxUnavailable: 1")]);
    Bed::start(BedOptions { world: World::default(), workloads })
}

fn lease(bed: &Bed) -> Option<Value> {
    let text = bed.plane.kubectl_try(&["-n", "kube-system", "get", LEASE, "-o", "json"]).ok()?;
    serde_json::from_str(&text).ok()
}

/// What mngup's first user changed or tried to, in cluster and AWS; the Lease itself is apart.
fn changes(bed: &Bed) -> (Vec<AuditEntry>, usize) {
    let mut in_cluster = changes_by(bed, USER);
    in_cluster.retain(|entry| entry.resource != "leases");
    let key = Key::of(USER).id;
    (in_cluster, changes_of_aws(&bed.aws).iter().filter(|call| call.access_key == key).count())
}

#[test]
fn l16_a_run_that_slept_while_another_took_over_touches_nothing_more() {
    let Some(bed) = bed() else { return };
    let mut first =
        bed.spawn_as("ada", &bed.arguments("upgrade", &["--post-drain-delay", "1s", "--lease-duration", "3s"]));
    eventually(SOON, "an eviction", || bed.evictions().into_iter().next());
    first.freeze();
    // Whoever comes earlier is told that ada is at work.
    bed.wait_until_lease_ran_out();
    let before = changes(&bed);
    let second = bed.spawn_colleague("upgrade", &["--post-drain-delay", "1s", "--lease-duration", "3s"]);
    eventually(SOON, "the second run acts", || {
        changes_by(&bed, COLLEAGUE).into_iter().find(|it| it.resource == "nodes")
    });
    assert!(first.is_running());
    first.thaw();
    let first = first.wait(SOON);
    println!("L16: the first run\n{first}");
    assert_eq!(first.code, Some(8), "{first}");
    for told in ["bob@test-machine has held lease/kube-system/mngup-workers", "this run stopped at once"] {
        assert!(first.stderr.contains(told), "{told}\n{first}");
    }

    let second = second.wait(SOON);
    assert_eq!(second.code, Some(0), "{second}");
    assert_eq!(changes(&bed), before, "the first run has touched nothing since it slept\n{first}");
    bed.wait_until_settled();
    checks::all_are_new(&bed, 3);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
}

#[test]
fn l16_a_lease_that_is_gone_is_taken_again_and_one_that_another_has_ends_the_run() {
    let Some(bed) = bed() else { return };
    // Long enough for all that follows to come while nothing of the run is under way.
    let mut run = bed.spawn_upgrade(&["--max-surge", "0", "--post-drain-delay", "10m", "--lease-duration", "3s"]);
    run.wait_until_said(" drained", SOON);
    let before = changes(&bed);

    let uid = |lease: &Value| lease["metadata"]["uid"].to_string();
    let deleted = uid(&lease(&bed).expect("it is held"));
    bed.plane.kubectl(&["-n", "kube-system", "delete", LEASE]);
    let anew = eventually(SOON, "it is taken again", || lease(&bed).filter(|lease| uid(lease) != deleted));
    let holder = anew["spec"]["holderIdentity"].as_str().unwrap();
    assert!(holder.starts_with("tester@test-machine/"), "{anew}");
    assert!(run.is_running());

    let theirs = json!({
        "metadata": { "annotations": {
            "mngup.dev/session": "1-0", "mngup.dev/user": "eve", "mngup.dev/host": "elsewhere",
        } },
        "spec": { "holderIdentity": "eve@elsewhere/r-1", "renewTime": format!("{:.6}", Timestamp::now()) },
    });
    bed.plane.kubectl(&["-n", "kube-system", "patch", LEASE, "--type=merge", "-p", &theirs.to_string()]);
    let run = run.wait(SOON);
    println!("L16: the run whose Lease another has\n{run}");
    assert_eq!(run.code, Some(8), "{run}");
    for told in ["eve@elsewhere has held lease/kube-system/mngup-workers", "this run stopped at once"] {
        assert!(run.stderr.contains(told), "{told}\n{run}");
    }
    assert_eq!(changes(&bed), before, "{run}");
    let lease_now = lease(&bed).expect("it is eve's");
    assert_eq!(lease_now["spec"]["holderIdentity"], "eve@elsewhere/r-1", "and is left to them");
    assert_eq!(cordoned(&bed).len(), 1, "so is the node that was in flight");

    // Once they are gone, the same command ends what was begun.
    bed.plane.kubectl(&["-n", "kube-system", "delete", LEASE]);
    let run = bed.upgrade(&["--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, 3);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
}
