//! L9: Ctrl-C once, and what may follow: going on, or undoing.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::aws::World;
use crate::support::checks::{self, is_cordoned, name};
use crate::support::facts::{cordoned, pods_of, terminated};
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions, Ended, PERSON, eventually};

/// Some of six nodes are new, one drains and cannot end by itself soon: then Ctrl-C.
fn interrupted(bed: &Bed) -> Ended {
    let run = bed.spawn_upgrade(&["--max-surge", "1", "--post-drain-delay", "2s"]);
    eventually(Duration::from_secs(90), "the second termination", || {
        (bed.aws.calls_of("autoscaling:TerminateInstanceInAutoScalingGroup").len() >= 2).then_some(())
    });
    run.interrupt();
    let ended = run.wait(Duration::from_secs(60));
    println!("L9: ended with {:?} after {:?}", ended.code, ended.took);
    assert_eq!(ended.code, Some(130), "{ended}");
    // Safe: nobody is cordoned that still has pods on it and waits for us.
    for node in bed.nodes() {
        assert!(!is_cordoned(&node), "{} is cordoned\n{ended}", name(&node));
        assert!(checks::is_ready(&node), "{node}");
    }
    checks::no_harm_was_done(bed);
    ended
}

fn six_nodes() -> Option<Bed> {
    let apps = (1..=6).map(|number| format!("app-{number}"));
    let apps = apps.flat_map(|app| [deployment(&app, 4).yaml(), pdb(&app, "maxUnavailable: 1")]);
    let workloads = all(apps.chain([daemon_set("agent")]));
    let world = World { old: 6, ..World::default() };
    Bed::start(BedOptions { world, workloads })
}

#[test]
fn a_run_that_was_interrupted_goes_on() {
    let Some(bed) = six_nodes() else { return };
    let ended = interrupted(&bed);
    assert!(ended.stderr.contains("mngup upgrade"), "it says how to go on\n{ended}");
    let run = bed.upgrade(&["--max-surge", "1", "--post-drain-delay", "1s"]);
    assert_eq!(run.code, Some(0), "{run}");
    bed.wait_until_settled();
    checks::all_are_new(&bed, 6);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    // Six old ones, and no new one with them.
    assert_eq!(bed.aws.calls_of("autoscaling:TerminateInstanceInAutoScalingGroup").len(), 6);
}

#[test]
fn abort_leaves_the_cluster_as_it_was() {
    let Some(bed) = six_nodes() else { return };
    // What others have put on nodes is not ours to take away.
    // On every node, whichever of them are replaced.
    let on_all = |what: &str, change: &str| drop(bed.plane.kubectl(&[what, "node", "--all", change]));
    on_all("label", "team=shop");
    on_all("label", "node.kubernetes.io/exclude-from-external-load-balancers=true");
    on_all("taint", "team=shop:PreferNoSchedule");
    on_all("annotate", "cluster-autoscaler.kubernetes.io/scale-down-disabled=true");
    let (nodes, size) = (essence(&bed), bed.aws.size());

    interrupted(&bed);
    assert_eq!(bed.aws.size().desired, size.desired + 1, "there is something to undo");
    let abort = bed.command("abort", &[]);
    assert_eq!(abort.code, Some(0), "{abort}");
    bed.wait_until_settled();
    checks::no_harm_was_done(&bed);

    assert_eq!(bed.aws.size(), size);
    let suspended = bed.aws.with_asg(|asg, _| asg.config().suspended.clone());
    assert!(suspended.is_empty(), "{suspended:?}");
    // The last one shuts down yet when the group is small enough already.
    let after =
        eventually(Duration::from_secs(30), "six nodes", || Some(essence(&bed)).filter(|nodes| nodes.len() == 6));
    let mut kept = 0;
    for (name, node) in &after {
        if let Some((_, before)) = nodes.iter().find(|(known, _)| known == name) {
            kept += 1;
            assert_eq!(node, before, "{name}");
            assert_eq!(node["labels"]["team"], "shop", "{name}");
        } else {
            assert!(!node.to_string().contains("mngup.dev"), "{node}");
        }
    }
    println!("L9: {kept} nodes as they were, {} new ones stay", 6 - kept);
    assert!((1..6).contains(&kept), "{after:?}");
    let state = bed.list("configmaps,leases");
    assert!(state.iter().map(name).all(|name| !name.starts_with("mngup")), "{state:?}");
}

#[test]
fn abort_leaves_a_cordon_that_is_somebody_else_s_by_now() {
    let workloads = all([
        deployment("cart", 3).apart().yaml(),
        pdb("cart", "maxUnavailable: 1"),
        deployment("ledger", 3).apart().yaml(),
        pdb("ledger", "minAvailable: 3"),
    ]);
    let Some(bed) = Bed::start(BedOptions { world: World::default(), workloads }) else { return };
    let (size, ledgers) = (bed.aws.size(), pods_of(&bed, "ledger"));
    let person = |args: &[&str]| bed.plane.kubectl_as(PERSON, args).expect("a person may do it");
    let blocked = || {
        let mut run = bed.spawn_upgrade(&["--max-surge", "0", "--lease-duration", "3s"]);
        run.wait_until_said(" left): PDB-NEVER-ALLOWS pdb/default/ledger", Duration::from_secs(60));
        run.kill();
        bed.wait_until_lease_ran_out();
        cordoned(&bed).pop_first().expect("one node drains")
    };
    let abort = || {
        let abort = bed.command("abort", &["--lease-duration", "3s"]);
        assert_eq!(abort.code, Some(0), "{abort}");
        abort
    };

    // Its own cordon goes.
    blocked();
    let told = abort();
    assert_eq!(cordoned(&bed), BTreeSet::new(), "{told}");
    checks::nothing_is_left_behind(&bed, &[]);

    // A person takes it off while nobody is at work, puts their own on, and cordons a node that was not touched.
    let theirs = blocked();
    person(&["uncordon", &theirs]);
    person(&["cordon", &theirs]);
    let another = bed.nodes().iter().map(name).find(|name| *name != theirs).expect("three nodes");
    person(&["cordon", &another]);
    let told = abort();
    assert_eq!(cordoned(&bed), BTreeSet::from([theirs, another]), "{told}");
    for node in bed.nodes() {
        assert_eq!(checks::traces(&node), [] as [String; 0], "{node}");
    }
    assert_eq!((bed.aws.size(), pods_of(&bed, "ledger")), (size, ledgers));
    assert_eq!(terminated(&bed.aws), [] as [String; 0]);
}

/// What is written on the nodes by people and tools, not by kubelets and controllers.
fn essence(bed: &Bed) -> Vec<(String, Value)> {
    let essence = |node: &Value| {
        json!({
            "labels": node["metadata"]["labels"],
            "annotations": node["metadata"]["annotations"],
            "taints": node["spec"]["taints"].as_array().cloned().unwrap_or_default(),
            "unschedulable": is_cordoned(node),
        })
    };
    bed.nodes().iter().map(|node| (name(node), essence(node))).collect()
}
