//! D1: pods that nodes have no place for, each told by its code and cleared away by what is printed.

use crate::support::aws::World;
use crate::support::checks;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::workloads::{Deployment, all, deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions};

/// Each cause as often as it has fixes.
const CAUSES: [Copies; 3] = [
    Copies { code: "POD-TAINTS", namespaces: &["taint-off", "taint-borne"], objects: &["deployment/app"] },
    Copies { code: "POD-ANTI-AFFINITY", namespaces: &["apart-fewer", "apart-softer"], objects: &["deployment/app"] },
    Copies { code: "NO-CAPACITY", namespaces: &["full"], objects: &["deployment/app"] },
];

/// Of every node; both are borne by all pods but those that are to be kept off.
const TAINTS: [&str; 2] = ["team=blue:NoSchedule", "license:NoSchedule"];

#[test]
fn what_finds_no_place_is_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, new: 1, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    let (old, new) = old_and_new(&bed);
    for taint in TAINTS {
        bed.plane.kubectl(&["taint", "nodes", &old, &new, taint]);
    }
    // What is to leave is on the old node.
    let good = || deployment("app", 2).strategy("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}");
    let one_may_be_out = || pdb("app", "maxUnavailable: 1");
    bed.plane.kubectl(&["cordon", &new]);
    let kept_off = [("taint-off", "license"), ("taint-borne", "team")];
    let there =
        kept_off.map(|(name, _)| in_namespace(name, [bears(good(), &["team", "license"]).yaml(), one_may_be_out()]));
    bed.plane.apply(&all(there));
    bed.wait_until_settled();
    bed.plane.kubectl(&["uncordon", &new]);
    // The second revision bears one taint only; its rollout stops at its first pod.
    bed.plane.apply(&all(kept_off.map(|(name, borne)| in_namespace(name, [bears(good(), &[borne]).yaml()]))));
    // One more than there are nodes for.
    let three = || bears(deployment("app", 3), &["team", "license"]);
    let crowded =
        [("apart-fewer", three().apart()), ("apart-softer", three().apart()), ("full", three().asks("cpu: 5"))];
    bed.plane.apply(&all(crowded.map(|(name, app)| in_namespace(name, [app.yaml(), one_may_be_out()]))));
    for namespace in ["taint-off", "taint-borne"] {
        bed.wait_for_pods(namespace, 2, 1);
    }
    for namespace in ["apart-fewer", "apart-softer", "full"] {
        bed.wait_for_pods(namespace, 3, 1);
    }

    let codes = CAUSES.map(|copies| copies.code);
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "0", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    run.clear(&CAUSES);
    // The way back of the first fix, too.
    let taints = bed.get(&format!("node/{new}"))["spec"]["taints"].to_string();
    assert!(["team", "license"].iter().all(|key| taints.contains(key)), "{taints}");
}

/// The names of the two nodes.
fn old_and_new(bed: &Bed) -> (String, String) {
    let old = bed.aws.instances().into_iter().find(|(_, version)| version == "1").expect("one is old").0;
    let old = bed.aws.node_of(&old).expect("it has joined");
    let names: Vec<_> = bed.nodes().iter().map(checks::name).collect();
    let new = names.iter().find(|name| **name != old).expect("one is new").clone();
    (old, new)
}

fn bears(deployment: Deployment, keys: &[&str]) -> Deployment {
    let tolerations: Vec<_> = keys.iter().map(|key| format!("{{key: {key}, operator: Exists}}")).collect();
    deployment.placed(&format!("tolerations: [{}]", tolerations.join(", ")))
}
