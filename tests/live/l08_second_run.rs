//! L8: a second run of the same group, while the first goes on.

use std::time::Duration;

use crate::support::aws::World;
use crate::support::checks;
use crate::support::workloads::deployment;
use crate::support::{Bed, BedOptions, eventually};

#[test]
fn a_second_run_is_refused_and_names_the_first() {
    let world = World { old: 3, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: deployment("cart", 3).spread().yaml() }) else { return };
    let args = ["--post-drain-delay", "3s"];
    let first = bed.spawn_as("ada", &bed.arguments("upgrade", &args));
    eventually(Duration::from_secs(60), "an eviction", || bed.evictions().into_iter().next());

    let writes = |bed: &Bed| {
        let audit = bed.audit();
        audit.iter().filter(|entry| !["get", "list", "watch", "update"].contains(&entry.verb.as_str())).count()
    };
    let before = writes(&bed);
    for command in ["upgrade", "abort"] {
        let second = bed.spawn_as("bob", &bed.arguments(command, &[])).wait(Duration::from_secs(60));
        assert_eq!(second.code, Some(8), "{second}");
        for part in ["ada", "test-machine", "nodegroup/workers"] {
            assert!(second.stderr.contains(part), "{part} is missing\n{second}");
        }
        println!("L8: {}", second.stderr.lines().filter(|line| line.contains("ada")).collect::<Vec<_>>().join("\n"));
    }
    println!("L8: {before} writes before, {} after", writes(&bed));

    let first = first.wait(Duration::from_secs(90));
    assert_eq!(first.code, Some(0), "{first}");
    checks::all_are_new(&bed, 3);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
}
