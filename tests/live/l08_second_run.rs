//! L8: a second run of the same group, while the first goes on.

use std::time::Duration;

use crate::support::aws::{Key, World};
use crate::support::checks;
use crate::support::facts::{changes_by, changes_of_aws};
use crate::support::workloads::deployment;
use crate::support::{Bed, BedOptions, COLLEAGUE, eventually};

#[test]
fn a_second_run_is_refused_and_names_the_first() {
    let world = World { old: 3, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: deployment("cart", 3).spread().yaml() }) else { return };
    let args = ["--post-drain-delay", "3s"];
    let first = bed.spawn_as("ada", &bed.arguments("upgrade", &args));
    eventually(Duration::from_secs(60), "an eviction", || bed.evictions().into_iter().next());

    for command in ["upgrade", "abort"] {
        let second = bed.spawn_colleague(command, &[]).wait(Duration::from_secs(60));
        assert_eq!(second.code, Some(8), "{second}");
        let (who, times) = second.stderr.split_once(" for ").expect("it says for how long");
        assert_eq!(who, "error: another run has this group: ada@test-machine has held lease/kube-system/mngup-workers");
        let (_, next) = times.split_once('\n').expect("a second line");
        assert_eq!(next, "  Next: mngup status -c prod -n workers   # what it does, and what it waits for\n");
        assert_eq!((second.stdout.as_str(), second.files()), ("", vec![]), "no answer, and no journal");
    }
    // Both asked, and neither touched a thing: not even to try.
    assert_ne!(bed.audit_of(COLLEAGUE), []);
    assert_eq!(changes_by(&bed, COLLEAGUE), []);
    let key = Key::of(COLLEAGUE).id;
    let mut changes = changes_of_aws(&bed.aws);
    changes.retain(|call| call.access_key == key);
    assert_eq!(changes, []);

    let first = first.wait(Duration::from_secs(90));
    assert_eq!(first.code, Some(0), "{first}");
    checks::all_are_new(&bed, 3);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
}
