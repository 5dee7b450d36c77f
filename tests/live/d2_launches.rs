//! D2: a run that stands still for what only AWS shows: hooks, launches, access. Each is told by its code and cleared away
//! by what is printed, which the AWS CLI runs, one after the other in one run.

use std::time::{Duration, Instant};

use mngup::domain::Process;
use mngup::sim::asg::HookKind;

use crate::support::aws::{Need, World};
use crate::support::printed::Told;
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions, Running, aws_cli, checks};

/// Until a run says a cause in the line of who waits: the longest that a rule waits for what passes by itself, and a bit.
const SAID: Duration = Duration::from_secs(90);

/// Waits until the line of who waits names this cause, behind what was said so far.
fn is_said(run: &mut Running, from: usize, code: &str) {
    let began = Instant::now();
    let says = |run: &Running| run.stderr()[from..].lines().any(|line| line.contains(" waits ") && line.contains(code));
    while !says(run) {
        assert!(began.elapsed() < SAID && run.is_running(), "{code} is not said:\n{}{}", run.stdout(), run.stderr());
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("{code} is said after {:?}", began.elapsed());
}

#[test]
fn what_keeps_a_replacement_away_is_named_and_what_is_printed_lets_it_come() {
    if !aws_cli::is_there() {
        return;
    }
    let world = World {
        old: 1,
        unanswered: [HookKind::Launching, HookKind::Terminating].into(),
        // Longer than EKS's own drain behind its hook may take.
        held_for: Duration::from_mins(20),
        access_entries: Vec::new(),
        ..World::default()
    };
    // It leaves slowly enough for somebody to suspend what the group does meanwhile.
    let workloads = deployment("cart", 1).stop_ms(3000).yaml();
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    bed.aws.launches_need(Need::KeyPair("ops".into()), "The key pair 'ops' does not exist.");
    // What is made of it is not looked at by the server.
    std::fs::write(bed.plane.folder().join("key.pub"), "ssh-ed25519 AAAA ops").unwrap();

    let mut run = bed.spawn_upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);
    run.wait_until_said(" cordoned", Duration::from_mins(2));
    bed.aws.with_asg(|asg, now| asg.suspend(&[Process::Launch, Process::Terminate], now));
    is_said(&mut run, 0, "GROUP-SUSPENDED");
    Told::wait(&bed, &[], "GROUP-SUSPENDED").look().fix(0);

    // A run does not wait for who leaves, and for a hook at launch not before it is late.
    Told::wait(&bed, &[], "HOOK-HOLDS-TERMINATION").look().fix(0);

    is_said(&mut run, 0, "LAUNCH-KEY-PAIR");
    let key_pair = Told::wait(&bed, &[], "LAUNCH-KEY-PAIR");
    let before = run.stderr().len();
    bed.aws.with_asg(|asg, now| asg.suspend(&[Process::Launch], now));
    is_said(&mut run, before, "LAUNCH-SUSPENDED");
    Told::wait(&bed, &[], "LAUNCH-SUSPENDED").look().fix(0).back(0).fix(0);
    key_pair.look().fix(0);

    Told::wait(&bed, &[], "HOOK-HOLDS-LAUNCH").look().fix(0);

    is_said(&mut run, 0, "JOIN-NO-ACCESS");
    let access = Told::wait(&bed, &[], "JOIN-NO-ACCESS");
    access.look().fix(0);

    let ended = run.wait(Duration::from_mins(2));
    println!("D2: {:?}", ended.took);
    assert_eq!(ended.code, Some(0), "{ended}");
    checks::all_are_new(&bed, 1);
}

#[test]
fn what_a_group_of_one_s_own_lacks_is_named_and_what_is_printed_brings_it() {
    if !aws_cli::is_there() {
        return;
    }
    let world = World { old: 2, headroom: 0, ..World::self_managed() };
    // Two of them fill a node.
    let workloads = all([deployment("cart", 4).asks("cpu: 3").spread().yaml(), pdb("cart", "maxUnavailable: 1")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    a_node_of_it_is_looked_at(&bed);
    let mut run = bed.spawn_upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);

    is_said(&mut run, 0, "LAUNCH-AT-MAX");
    let told = Told::wait(&bed, &[], "LAUNCH-AT-MAX");
    let price = "Your Spot request price of 0.015 is lower than the minimum required Spot request fulfillment price of \
                 0.0735.";
    told.look().fix(0);
    bed.aws.pay_at_most("0.015");
    bed.aws.launches_need(Need::NoSpotMaximum, price);

    is_said(&mut run, 0, "LAUNCH-SPOT-PRICE");
    let told = Told::wait(&bed, &[], "LAUNCH-SPOT-PRICE");
    told.look().fix(0);

    let ended = run.wait(Duration::from_mins(2));
    println!("D2: {:?}", ended.took);
    assert_eq!(ended.code, Some(0), "{ended}");
    checks::all_are_new(&bed, 3);
}

/// By its name with its group, and without: its instance leads to the group.
fn a_node_of_it_is_looked_at(bed: &Bed) {
    let out = |count: u32| {
        let patch = format!("{{\"spec\":{{\"maxUnavailable\":{count}}}}}");
        bed.plane.kubectl(&["patch", "pdb", "cart", "--type=merge", "-p", &patch]);
        bed.wait_until_settled();
    };
    out(0);
    let node = bed.aws.nodes().into_iter().next().expect("it has some");
    for found in [bed.command("diagnose", &["--node", &node]), bed.mngup(&["diagnose", "-c", "prod", "--node", &node])]
    {
        assert_eq!(found.code, Some(4), "{found}");
        assert!(found.stdout.starts_with(&format!("node/{node}: 1 cause holds 1 node and 2 pods\n")), "{found}");
        assert!(found.stdout.contains("PDB-NEVER-ALLOWS  pdb/default/cart can never allow an eviction\n"), "{found}");
        let next = "Next, when it is fixed: mngup upgrade -c prod --asg shop-nodes";
        assert!(found.stderr.contains(next), "{found}");
    }
    out(1);
}
