//! L5: two budgets on one pod, which the eviction API refuses for ever.

use std::time::Duration;

use crate::support::aws::World;
use crate::support::facts::{cordoned, pods_of, terminated};
use crate::support::workloads::{all, deployment, named_pdb, pdb};
use crate::support::{Bed, BedOptions};

#[test]
fn l5_two_budgets_are_said_before_anything_is_sent() {
    let workloads = all([
        deployment("cart", 3).apart().yaml(),
        pdb("cart", "maxUnavailable: 1"),
        named_pdb("everything", "cart", "maxUnavailable: 2"),
    ]);
    let Some(bed) = Bed::start(BedOptions { world: World::default(), workloads }) else { return };
    let carts = pods_of(&bed, "cart");
    let both = "pdb/default/cart and pdb/default/everything";

    let plan = bed.upgrade(&["--dry-run"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(plan.stdout.contains(both), "{plan}");

    let mut run = bed.spawn_upgrade(&["--max-surge", "0", "--drain-timeout", "8s", "--post-drain-delay", "0s"]);
    run.wait_until_said(both, Duration::from_secs(30));
    let run = run.wait(Duration::from_mins(1));
    assert_eq!(run.code, Some(5), "{run}");
    assert!(run.stderr.contains("PodEvictionFailure"), "{run}");
    assert!(run.stderr.contains("kubectl -n default delete pdb/everything"), "{run}");
    let mut sent = bed.audit();
    sent.retain(|entry| entry.subresource == "eviction");
    assert_eq!(sent, [], "nothing was sent, from beginning to end");
    assert_eq!(pods_of(&bed, "cart"), carts);
    assert_eq!((terminated(&bed.aws).len(), cordoned(&bed).len()), (0, 0));
}
