//! L15: a managed group's own lifecycle hook, which throws out whoever is still on the node, past every budget.

use std::time::Duration;

use crate::support::aws::World;
use crate::support::checks;
use crate::support::facts::{pods_of, terminated};
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions, eventually};

#[test]
fn l15_nobody_is_left_for_the_hook_to_throw_out() {
    let hook = Duration::from_secs(3);
    let world = World { terminate_hook: Some(hook), ..World::default() };
    let workloads = all([
        // Slow to stop: gone long after their eviction was granted.
        deployment("cart", 3).apart().stop_ms(2500).yaml(),
        pdb("cart", "maxUnavailable: 1"),
        daemon_set("agent"),
    ]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let sampler = bed.sample();
    let run = bed.upgrade(&["--max-surge", "1", "--post-drain-delay", "0s"]);
    bed.wait_until_settled();
    let seen = sampler.finish();
    println!("L15: {:?}, {seen:?}", run.took);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(terminated(&bed.aws).len(), 3, "each once, however long it takes to leave");
    checks::all_are_new(&bed, 3);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    checks::az_rebalance_stood_still(&bed);
    assert!(seen.fewest_serving >= 2, "one may be out: {seen:?}");
    assert_eq!(seen.broken_budgets, [] as [String; 0]);

    // The check above can fail: somebody terminates an instance while a pod on it stops.
    let (cart, (_, place)) = pods_of(&bed, "cart").pop_first().unwrap();
    bed.plane.kubectl(&["delete", "pod", &cart, "--wait=false"]);
    let instances = bed.aws.instances();
    let instance = instances.iter().find(|(id, _)| bed.aws.node_of(id).as_ref() == Some(&place)).unwrap();
    bed.aws.with_asg(|asg, now| asg.terminate(&instance.0, false, now)).unwrap();
    let killed = eventually(hook * 10, "it is noted", || bed.aws.killed_with_node().pop());
    assert_eq!((killed.pod, killed.node, killed.stopping), (format!("default/{cart}"), place, true));
}
