//! D1: new nodes that come and do not serve, each told by its code and cleared away by what is printed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mngup::domain::InstanceId;
use serde_json::{Value, json};

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::kubelet::{on, plays};
use crate::support::workloads::{all, daemon_set, deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions, eventually};

/// As many old nodes as there are causes: each extra one that comes has another of them.
const OLD: u32 = 8;

/// The new nodes in the order in which they register.
const CNI: &str = "ip-10-0-1-19.eu-west-1.compute.internal";
const TAINTED: &str = "ip-10-0-1-20.eu-west-1.compute.internal";
const CORDONED: &str = "ip-10-0-1-21.eu-west-1.compute.internal";
const AGENT: &str = "ip-10-0-1-22.eu-west-1.compute.internal";
const REFUSED: &str = "ip-10-0-1-23.eu-west-1.compute.internal";
const PLAIN: &str = "ip-10-0-1-24.eu-west-1.compute.internal";
const RUNTIME: &str = "ip-10-0-1-25.eu-west-1.compute.internal";
const NOT_READY: &str = "ip-10-0-1-26.eu-west-1.compute.internal";

/// Each cause as often as it has fixes that kubectl carries out.
const CAUSES: [Copies; 5] = [
    Copies { code: "NODE-CNI", namespaces: &[CNI], objects: &["kube-system/daemonset/aws-node"] },
    Copies {
        code: "NODE-TAINT-STAYS",
        namespaces: &[TAINTED],
        objects: &["node/ip-10-0-1-20.eu-west-1.compute.internal"],
    },
    Copies {
        code: "NODE-CORDONED-NEW",
        namespaces: &[CORDONED],
        objects: &["node/ip-10-0-1-21.eu-west-1.compute.internal"],
    },
    Copies { code: "NODE-DAEMONSET", namespaces: &[AGENT], objects: &["kube-system/daemonset/agent"] },
    // The same with no pod at all, for its controller may not make one.
    Copies { code: "NODE-DAEMONSET", namespaces: &[REFUSED], objects: &["team/resourcequota/limit"] },
];

/// Those that only another node in its place is a way out of.
const REPLACED: [Copies; 3] = [
    Copies { code: "NODE-RESOURCE-MISSING", namespaces: &[PLAIN], objects: &[] },
    Copies { code: "NODE-RUNTIME", namespaces: &[RUNTIME], objects: &[] },
    Copies { code: "NODE-NOT-READY", namespaces: &[NOT_READY], objects: &[] },
];

#[test]
fn new_nodes_that_do_not_serve_are_named_and_what_is_printed_lets_the_run_go_on() {
    let zones = vec!["eu-west-1a".to_owned()];
    let world = World { old: OLD, headroom: OLD, zones, ..World::default() };
    // Slow, so that what becomes of its pods is decided before a node serves.
    let agent = daemon_set("agent").replace("start-ms: \"200\"", "start-ms: \"15000\"");
    let workloads = all([agent, daemon_set("aws-node"), deployment("app", 3).yaml(), pdb("app", "maxUnavailable: 1")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let team = daemon_set("team").replace("namespace: kube-system", "namespace: default");
    let team = team.replace("tolerations:", "nodeSelector: {team: \"true\"}, tolerations:");
    bed.plane.apply(&in_namespace("team", [team]));
    bed.plane.kubectl(&["-n", "team", "create", "quota", "limit", "--hard=pods=0"]);
    for node in bed.nodes() {
        let name = node["metadata"]["name"].as_str().unwrap();
        bed.plane.kubectl(&["patch", "node", name, "--subresource=status", "-p", &gpu().to_string()]);
    }
    bed.aws.newcomers(newcomers());

    let run = bed.spawn_upgrade(&["--max-surge", "8", "--max-unavailable", "0", "--post-drain-delay", "0s"]);
    let agent = on(&bed, "kube-system", "agent", AGENT);
    plays(&bed, &agent, "crash-loop", "true");
    plays(&bed, &on(&bed, "kube-system", "aws-node", CNI), "crash-loop", "true");
    eventually(Duration::from_mins(1), "the one without the device is Ready, and has been for long", || {
        bed.plane.kubectl_try(&["wait", "node", PLAIN, "--for=condition=Ready", "--timeout=1s"]).ok()?;
        // Played: a driver has three minutes to come.
        let long_ago = (Timestamp::now() - SignedDuration::from_mins(4)).to_string();
        let ready = json!({ "status": { "conditions": [{ "type": "Ready", "lastTransitionTime": long_ago }] } });
        bed.plane.kubectl_try(&["patch", "node", PLAIN, "--subresource=status", "-p", &ready.to_string()]).ok()
    });

    let codes: Vec<_> = CAUSES.iter().chain(&REPLACED).map(|copies| copies.code).collect();
    let mut run = Stalled::name(&bed, run, " waits ", &codes);
    run.look_until_found(&CAUSES);
    run.look_until_found(&REPLACED);
    let replaced = REPLACED.map(|Copies { code, namespaces, .. }| {
        println!("{code}: replaced");
        run.aws_line(code, namespaces[0], "terminate-instance-in-auto-scaling-group")
    });
    run.clear_and(&CAUSES, |_| {
        let anew = on(&bed, "kube-system", "aws-node", CNI);
        assert!(anew["metadata"]["annotations"]["mngup.test/crash-loop"].is_null(), "{anew:#}");
        // With its plugin its kubelet has a network.
        bed.plane.kubectl(&["annotate", "node", CNI, "mngup.test/never-ready-"]);
        for line in replaced {
            let (_, rest) = line.split_once("--instance-id ").expect("it names one");
            let id = InstanceId::new(rest.split(' ').next().unwrap());
            assert!(line.contains("--no-should-decrement-desired-capacity"), "{line}");
            bed.aws.with_asg(|asg, now| asg.terminate(&id, false, now)).unwrap();
        }
    });
}

/// What the new nodes are like, and those that come in the place of some.
fn newcomers() -> Vec<Value> {
    let taint = |key: &str, effect: &str| json!({ "key": key, "effect": effect });
    let taints = json!([
        taint("node.kubernetes.io/not-ready", "NoSchedule"),
        taint("ebs.csi.aws.com/agent-not-ready", "NoExecute"),
    ]);
    let says = |words: &str| json!({ "metadata": { "annotations": { "mngup.test/never-ready": words } } });
    let with_gpu = [
        says("true"),
        json!({ "spec": { "taints": taints } }),
        json!({ "spec": { "unschedulable": true } }),
        json!({}),
        json!({ "metadata": { "labels": { "team": "true" } } }),
        json!({}),
        says("container runtime is down"),
        says("CSINode is not yet initialized"),
    ];
    let mut nodes = with_gpu.map(|mut node| {
        node["status"] = gpu()["status"].take();
        node
    });
    // All but this one have the device.
    nodes[5] = json!({});
    nodes.into_iter().chain(std::iter::repeat_n(gpu(), REPLACED.len())).collect()
}

/// A device that all old nodes have.
fn gpu() -> Value {
    let one = json!({ "nvidia.com/gpu": "1" });
    json!({ "status": { "capacity": one, "allocatable": one } })
}
