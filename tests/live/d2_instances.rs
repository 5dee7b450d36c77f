//! D2: instances that come and are none that a run waits for. Only the run knows that it does: its lines name them, and what
//! it found, with the ways out, is in its journal.

use std::collections::BTreeSet;
use std::time::Duration;

use mngup::domain::InstanceId;
use serde_json::Value;

use crate::support::aws::World;
use crate::support::diagnose::NAMED;
use crate::support::facts::{journal, pods_of, records};
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions, Running, aws_cli, checks, eventually, printed};

#[test]
fn instances_of_another_version_and_those_that_others_end_are_named_and_the_run_goes_on() {
    if !aws_cli::is_there() {
        return;
    }
    let world = World { old: 2, zones: vec!["eu-west-1a".to_owned()], ..World::default() };
    let let_in = world.access_entries.clone();
    let workloads = all([deployment("cart", 2).spread().yaml(), pdb("cart", "maxUnavailable: 1")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let mut known: BTreeSet<_> = bed.aws.instances().into_iter().map(|(id, _)| id).collect();

    // As from a warm pool that was filled before the group's template moved.
    bed.aws.with_asg(|asg, now| asg.launch_stale(1, now + Duration::from_hours(1)));
    let mut run = bed.spawn_upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);
    let stale = newcomer(&bed, &run, &mut known);
    let told = is_named(&mut run, "INSTANCE-WRONG-TEMPLATE");
    assert!(told["object"].to_string().contains(stale.as_str()), "{told:#}");
    // It serves for all that the scheduler knows.
    let node = eventually(NAMED, "it has joined", || bed.aws.node_of(&stale));
    bed.plane.kubectl(&["wait", "node", &node, "--for=condition=Ready", "--timeout=1m"]);
    bed.plane.apply(&deployment("late", 1).yaml());
    bed.wait_until_settled();
    assert!(pods_of(&bed, "late").values().all(|(_, at)| *at == node), "{:?}", pods_of(&bed, "late"));
    // What is printed of it now knows of its Node.
    let told = eventually(NAMED, "its Node is to be emptied first", || {
        found(&run, "INSTANCE-WRONG-TEMPLATE").filter(|told| printed::lines(told, "fix")[0].contains(" drain "))
    });
    // Whoever emptied the pool.
    bed.aws.with_asg(|asg, now| asg.launch_stale(1, now));
    for line in ["look", "fix"].iter().flat_map(|kind| printed::lines(&told, kind)) {
        printed::run(&bed, &line);
    }
    newcomer(&bed, &run, &mut known);
    run.wait_until_said(" 1 of 2 in ", NAMED);
    eventually(NAMED, "it is told no more", || found(&run, "INSTANCE-WRONG-TEMPLATE").is_none().then_some(()));

    // Boots last until two are lost and that is said.
    bed.aws.change(|world| world.access_entries.clear());
    for _ in 0..2 {
        let lost = newcomer(&bed, &run, &mut known);
        bed.aws.with_asg(|asg, now| asg.interrupt(&lost, now)).unwrap();
    }
    newcomer(&bed, &run, &mut known);
    let told = is_named(&mut run, "INSTANCE-LOST");
    let evidence = told["evidence"].to_string();
    assert!(evidence.contains("taken out of service in response to an EC2 health check"), "{told:#}");
    for line in printed::lines(&told, "look") {
        printed::run(&bed, &line);
    }
    bed.aws.change(|world| world.access_entries = let_in);

    let ended = run.wait(Duration::from_mins(2));
    println!("D2: {:?}", ended.took);
    assert_eq!(ended.code, Some(0), "{ended}");
    let last = journal(&ended).into_iter().rfind(|record| record["event"] == "diagnosed").unwrap();
    assert_eq!(last["diagnosis"]["findings"], serde_json::json!([]), "{ended}");
    checks::all_are_new(&bed, 2);
    assert_eq!(bed.aws.killed_with_node(), [], "{ended}");
}

/// The next instance that comes, once the run has seen it too.
fn newcomer(bed: &Bed, run: &Running, known: &mut BTreeSet<InstanceId>) -> InstanceId {
    let id = eventually(NAMED, "another instance comes", || {
        let new = bed.aws.instances().into_iter().map(|(id, _)| id).find(|id| !known.contains(id))?;
        let seen = |record: &Value| record["event"] == "launched" && record["instance"] == new.as_str();
        records(&run.files()).iter().any(seen).then_some(new)
    });
    known.insert(id.clone());
    id
}

/// Waits until the line of who waits names this cause; says what was found of it.
fn is_named(run: &mut Running, code: &str) -> Value {
    eventually(NAMED, &format!("{code} is said"), || {
        assert!(run.is_running(), "{}{}", run.stdout(), run.stderr());
        let is_said = run.stderr().lines().any(|line| line.contains(" waits ") && line.contains(code));
        found(run, code).filter(|_| is_said)
    })
}

/// What a run that goes on has found of a cause, unless it is over.
fn found(run: &Running, code: &str) -> Option<Value> {
    let diagnosed = records(&run.files()).into_iter().rfind(|record| record["event"] == "diagnosed")?;
    let findings = diagnosed["diagnosis"]["findings"].as_array()?;
    findings.iter().find(|finding| finding["cause"] == code).cloned()
}
