//! L12: AWS throttles, and the API server dies and comes back in the middle.

use std::time::Duration;

use crate::support::aws::World;
use crate::support::checks::{self, Figures};
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions, eventually};

#[test]
fn throttling_and_a_restart_of_the_api_server_cost_time_and_nothing_else() {
    let apps = (1..=8).map(|number| format!("app-{number}"));
    let apps = apps.flat_map(|app| [deployment(&app, 4).yaml(), pdb(&app, "maxUnavailable: 1")]);
    let workloads = all(apps.chain([daemon_set("agent")]));
    let world = World { old: 6, terminate_hook: Some(Duration::from_secs(2)), ..World::default() };
    let Some(mut bed) = Bed::start(BedOptions { world, workloads }) else { return };
    bed.aws.throttle(30, 11);
    let sampler = bed.sample();
    let mut run = bed.spawn_upgrade(&["--max-surge", "1", "--post-drain-delay", "1s"]);
    // In the middle of a drain: some pods of the third node are gone, the others are not.
    eventually(Duration::from_secs(120), "a third of the evictions", || (bed.evictions().len() >= 12).then_some(()));
    bed.plane.restart_apiserver();
    eventually(Duration::from_secs(120), "the run ends", || {
        bed.forget_broken_evictions();
        (!run.is_running()).then_some(())
    });
    let run = run.wait(Duration::from_secs(1));
    bed.wait_until_settled();
    let seen = sampler.finish();
    let figures = Figures::of(&bed);
    let calls = bed.aws.calls();
    let throttled = calls.iter().filter(|call| call.status >= 400).count();
    println!("L12: {:?}, {figures}, {throttled} of {} AWS calls throttled, {seen:?}", run.took, calls.len());

    assert_eq!(run.code, Some(0), "{run}");
    assert!(throttled * 100 > calls.len() * 15, "the storm blew: {throttled} of {}", calls.len());
    checks::all_are_new(&bed, 6);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    checks::every_request_names_mngup(&bed);
    assert!(seen.fewest_serving >= 5, "one may be out: {seen:?}");
    assert_eq!(seen.broken_budgets, [] as [String; 0]);
    assert!(figures.evictions <= 33, "{figures}");
}
