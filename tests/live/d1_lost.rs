//! D1: nodes that nobody hears of any more, told by a real node controller, and Nodes whose instance is gone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mngup::domain::InstanceId;
use serde_json::json;

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::kubelet::falls_silent;
use crate::support::workloads::{deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions, eventually};

/// The old nodes, in the order in which they registered: one whose kubelet falls silent, one that nobody deletes, one that
/// a finalizer keeps, and one that is well.
const SILENT: &str = "ip-10-0-1-11.eu-west-1.compute.internal";
const LEFT: &str = "ip-10-0-1-12.eu-west-1.compute.internal";
const KEPT: &str = "ip-10-0-1-13.eu-west-1.compute.internal";
const WELL: &str = "ip-10-0-1-14.eu-west-1.compute.internal";

const CAUSES: [Copies; 2] = [
    Copies { code: "NODE-OUTLIVES-INSTANCE", namespaces: &[LEFT], objects: &[] },
    Copies { code: "NODE-OUTLIVES-INSTANCE", namespaces: &[KEPT], objects: &[] },
];

/// How long the node controller waits for a word: more than kwok's pause between two, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn lost_nodes_are_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 4, zones: vec!["eu-west-1a".to_owned()], ..World::default() };
    let Some(mut bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    let one_may_be_out = || pdb("app", "maxUnavailable: 1");
    let stops = "terminationGracePeriodSeconds: 1";
    only_on(&bed, &[SILENT], "silent", &[deployment("app", 1).placed(stops).yaml()]);
    // A pod on one that is lost uses the budget up of another on the one that is well.
    for (name, lost) in [("left", LEFT), ("kept", KEPT)] {
        only_on(&bed, &[lost, WELL], name, &[deployment("app", 2).apart().yaml(), one_may_be_out()]);
    }
    bed.plane.kubectl(&["uncordon", SILENT, LEFT, KEPT, WELL]);

    bed.aws.keep_nodes(true);
    for node in [LEFT, KEPT] {
        let id = instance_of(&bed, node);
        bed.aws.with_asg(|asg, now| asg.interrupt(&id, now)).unwrap();
    }
    let hold = json!({ "metadata": { "finalizers": ["example.com/hold"] } }).to_string();
    bed.plane.kubectl(&["patch", "node", KEPT, "--type=merge", "-p", &hold]);
    bed.plane.kubectl(&["delete", "node", KEPT, "--wait=false"]);
    bed.plane.judge_kubelets(PATIENCE);
    for node in [SILENT, LEFT, KEPT] {
        falls_silent(&bed, node);
    }
    for node in [SILENT, LEFT, KEPT] {
        bed.plane.kubectl(&["wait", "node", node, "--for=condition=Ready=Unknown", "--timeout=2m"]);
    }
    // Played: the one has been so for minutes.
    let long_ago = (Timestamp::now() - SignedDuration::from_mins(3)).to_string();
    let unknown = json!({ "status": { "conditions": [{ "type": "Ready", "lastTransitionTime": long_ago }] } });
    bed.plane.kubectl(&["patch", "node", LEFT, "--subresource=status", "-p", &unknown.to_string()]);
    eventually(Duration::from_mins(1), "others have come for the two that are lost", || {
        (bed.nodes().len() == 6).then_some(())
    });

    let args = ["--max-surge", "2", "--drain-timeout", "10m", "--post-drain-delay", "0s"];
    let mut run = Stalled::upgrade(&bed, &args, &["KUBELET-SILENT", "NODE-OUTLIVES-INSTANCE"]);
    run.look_until_found(&[Copies { code: "KUBELET-SILENT", namespaces: &[SILENT], objects: &[] }]);
    let line = run.aws_line("KUBELET-SILENT", SILENT, "terminate-instance-in-auto-scaling-group");
    let silent = instance_of(&bed, SILENT);
    assert!(line.contains(silent.as_str()) && line.contains("--no-should-decrement-desired-capacity"), "{line}");
    run.clear_and(&CAUSES, |_| {
        println!("KUBELET-SILENT: replaced");
        bed.aws.keep_nodes(false);
        bed.aws.with_asg(|asg, now| asg.terminate(&silent, false, now)).unwrap();
    });
}

/// Makes these objects in a namespace while pods may only go to these nodes.
fn only_on(bed: &Bed, nodes: &[&str], namespace: &str, objects: &[String]) {
    for node in [SILENT, LEFT, KEPT, WELL] {
        bed.plane.kubectl(&[if nodes.contains(&node) { "uncordon" } else { "cordon" }, node]);
    }
    bed.plane.apply(&in_namespace(namespace, objects.iter().cloned()));
    bed.wait_until_settled();
}

fn instance_of(bed: &Bed, node: &str) -> InstanceId {
    let provider = bed.get(&format!("node/{node}"))["spec"]["providerID"].take();
    InstanceId::new(provider.as_str().unwrap().rsplit('/').next().unwrap())
}
