//! L7: the machine under mngup loses its power, again and again.

use std::time::{Duration, Instant};

use crate::support::aws::World;
use crate::support::checks::{self, Figures};
use crate::support::facts;
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{AuditEntry, Bed, BedOptions, Running, eventually};

/// Short, so that the next run need not wait half a minute for a dead one.
const ARGS: [&str; 6] = ["--max-surge", "1", "--post-drain-delay", "1s", "--lease-duration", "3s"];

/// So many that a third of them is left after the last moment: whoever looks may be that late.
const OLD: usize = 6;

/// For a moment to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A moment to die at: the first of a kind since this run began, or so far on with the whole of it. A run that was faster
/// than whoever looks has passed the next one too, and dies as soon as it is let in.
type Moment = (&'static str, fn(&Bed, Since) -> bool);

/// How much had happened when a run began.
#[derive(Clone, Copy)]
struct Since {
    /// Lines of the audit log.
    audit: usize,
}

/// Between any two acts of a run, and some in the middle of a drain.
const MOMENTS: [Moment; 10] = [
    ("the Lease is taken", |bed, since| wrote(bed, since, |entry| entry.resource == "leases")),
    ("the intent is written", |bed, since| wrote(bed, since, |entry| entry.resource == "configmaps")),
    ("the group was asked to grow", |bed, _| {
        !bed.aws.calls_of("eks:UpdateNodegroupConfig").is_empty() || bed.aws.size().desired as usize > OLD
    }),
    ("a node was patched", |bed, since| wrote(bed, since, |entry| entry.resource == "nodes")),
    ("an eviction was granted", |bed, since| wrote(bed, since, |entry| entry.subresource == "eviction")),
    ("three evictions were granted", |bed, since| evicted(bed, since) >= 3),
    ("a third of the nodes was terminated", |bed, _| terminated(bed) >= OLD / 3),
    ("two evictions were granted", |bed, since| evicted(bed, since) >= 2),
    ("half of the nodes were terminated", |bed, _| terminated(bed) >= OLD / 2),
    ("two thirds of the nodes were terminated", |bed, _| terminated(bed) >= OLD * 2 / 3),
];

#[test]
fn ten_deaths_do_no_harm() {
    let apps = (1..=6).map(|number| format!("app-{number}"));
    let apps = apps.flat_map(|app| [deployment(&app, 4).yaml(), pdb(&app, "maxUnavailable: 1")]);
    let workloads = all(apps.chain([daemon_set("agent")]));
    let world = World { old: u32::try_from(OLD).unwrap(), ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let sampler = bed.sample();
    for (what, has_come) in MOMENTS {
        let (mut run, since) = start(&bed);
        let began = Instant::now();
        while !has_come(&bed, since) {
            let stuck = !run.is_running() || began.elapsed() > PATIENCE;
            assert!(
                !stuck,
                "not before mngup ended or {PATIENCE:?} passed: {what}\n{}\n{}",
                run.stdout(),
                run.stderr()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        let died = run.kill();
        println!("L7: died when {what}, after {:?}", died.took);
    }
    let (run, _) = start(&bed);
    let run = run.wait(PATIENCE);
    bed.wait_until_settled();
    let seen = sampler.finish();
    let figures = Figures::of(&bed);
    println!("L7: the last run took {:?}; {figures}, {seen:?}\n{}", run.took, checks::breakdown(&bed));

    for call in facts::changes_of_aws(&bed.aws) {
        println!("{} {:?} {}", call.action, call.params, call.status);
    }

    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, OLD);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    assert_eq!(terminated(&bed), OLD, "each old node once, and no new one");
    assert!(seen.fewest_serving >= 5, "one may be out: {seen:?}");
    assert!(seen.most_nodes <= 7, "one extra: {seen:?}");
    assert_eq!(seen.broken_budgets, [] as [String; 0]);
    // 24 pods, each moved once; a death between two evictions costs none of them a second move.
    assert!(figures.evictions <= 26, "{figures}");
}

/// Starts it from an empty home folder as soon as the Lease of a dead one lets it in.
fn start(bed: &Bed) -> (Running, Since) {
    // Whoever comes earlier is told that somebody is at work, and may not look on.
    bed.wait_until_lease_ran_out();
    bed.forget_broken_evictions();
    let since = Since { audit: bed.plane.audit().len() };
    let mut run = bed.spawn_upgrade(&ARGS);
    eventually(Duration::from_secs(30), "it is let in", || {
        assert!(run.is_running(), "{}\n{}", run.stdout(), run.stderr());
        wrote(bed, since, |entry| entry.resource == "leases").then_some(())
    });
    (run, since)
}

/// Whether mngup has written something of the kind since the log had so many lines.
fn wrote(bed: &Bed, since: Since, what: impl Fn(&AuditEntry) -> bool) -> bool {
    let audit = bed.plane.audit();
    audit.iter().skip(since.audit).any(|entry| {
        let write = ["create", "update", "patch", "delete"].contains(&entry.verb.as_str());
        write && entry.user == crate::support::USER && (200..300).contains(&entry.code) && what(entry)
    })
}

fn evicted(bed: &Bed, since: Since) -> usize {
    let audit = bed.plane.audit();
    audit.iter().skip(since.audit).filter(|entry| entry.subresource == "eviction" && entry.code == 201).count()
}

/// How many instances were terminated so far.
fn terminated(bed: &Bed) -> usize {
    facts::terminated(&bed.aws).len()
}
