//! D1: volumes that are not where they are needed, each told by its code and cleared away by what is printed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled, diagnose};
use crate::support::kubelet;
use crate::support::volumes::{
    attachment_of, attachments, claim, class, is_attached, is_of, unclaimed, volume, with_data,
};
use crate::support::workloads::{Deployment, all, deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions, eventually};

/// What a command of ours clears away, each copy by its only fix.
const CLEARED: [Copies; 4] = [
    Copies { code: "VOLUME-ATTACHED", namespaces: &["used"], objects: &[] },
    Copies { code: "VOLUME-ATTACHED", namespaces: &["left"], objects: &[] },
    Copies { code: "VOLUME-ZONE", namespaces: &["zone"], objects: &[] },
    Copies { code: "POD-PENDING", namespaces: &["ports"], objects: &["deployment/app"] },
];

/// What its owner does.
const UNBOUND: Copies = Copies { code: "CLAIM-PENDING", namespaces: &["unbound"], objects: &[] };

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn volumes_are_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, new: 2, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    let nodes = Nodes::of(&bed);
    // What is to leave is on the old node; where the controller attaches volumes, the kubelet says so.
    bed.plane.kubectl(&["cordon", &nodes.new, &nodes.other]);
    for node in [&nodes.old, &nodes.new] {
        bed.plane.kubectl(&["annotate", "node", node, "volumes.kubernetes.io/controller-managed-attach-detach=true"]);
        bed.plane.kubectl(&["label", "node", node, "ports=free"]);
    }
    let good = || deployment("app", 2).strategy("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}");
    let one_may_be_out = || pdb("app", "maxUnavailable: 1");
    let zone_of_other = zone_of(&bed, &nodes.other);
    bed.plane.apply(&all([
        in_namespace("used", [volume("used", None), with_data(good()).yaml(), one_may_be_out()]),
        in_namespace("left", [volume("left", None), good().yaml(), one_may_be_out()]),
        in_namespace("zone", [volume("zone", Some(&zone_of_other)), good().yaml(), one_may_be_out()]),
        in_namespace("unbound", [claim("", "fast"), good().yaml(), one_may_be_out()]),
        in_namespace("unmounts", [volume("unmounts", None), with_data(deployment("app", 1)).yaml()]),
    ]));
    bed.wait_until_settled();
    for namespace in ["used", "unmounts"] {
        is_attached(&bed, &attachment_of(&bed, namespace, &nodes.old));
    }
    // The kubelet of the old node has one of them mounted, to the end.
    let mounted =
        json!({ "status": { "volumesInUse": ["kubernetes.io/csi/ebs.csi.aws.com^vol-unmounts"] } }).to_string();
    let in_use = |volumes: &str| {
        bed.plane.kubectl(&["patch", "node", &nodes.old, "--subresource=status", "--type=merge", "-p", volumes]);
    };
    in_use(&mounted);
    // One that was left behind when its node was lost, or so it looks.
    let left = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": { "name": "left-behind" },
        "spec": { "attacher": "ebs.csi.aws.com", "nodeName": nodes.old, "source": { "persistentVolumeName": "left" } },
    });
    bed.plane.apply(&left.to_string());
    is_attached(&bed, "left-behind");

    // The second revision needs its volume elsewhere, and its rollout stops at its first pod.
    bed.plane.kubectl(&["uncordon", &nodes.new]);
    bed.plane.kubectl(&["cordon", &nodes.old]);
    let waits = |app: Deployment| with_data(app).annotated("mngup.test/creating", "true");
    let ports = deployment("app", 3).contains("ports: [{containerPort: 80, hostPort: 80}]");
    bed.plane.apply(&all([
        in_namespace("used", [waits(good()).yaml()]),
        in_namespace("left", [waits(good()).yaml()]),
        in_namespace("zone", [with_data(good()).yaml()]),
        in_namespace("unbound", [with_data(good()).yaml()]),
    ]));
    bed.plane.kubectl(&["uncordon", &nodes.old]);
    bed.plane.apply(&in_namespace("ports", [ports.placed("nodeSelector: {ports: free}").yaml(), one_may_be_out()]));
    for (namespace, pods) in [("used", 2), ("left", 2), ("zone", 2), ("unbound", 2), ("ports", 3)] {
        bed.wait_for_pods(namespace, pods, 1);
    }

    let codes: Vec<_> = CLEARED.iter().chain([&UNBOUND]).map(|copies| copies.code).collect();
    let flags = ["--max-surge", "0", "--max-unavailable", "2", "--drain-timeout", "10m", "--post-drain-delay", "0s"];
    let mut run = Stalled::upgrade(&bed, &flags, &codes);
    run.look_until_found(&[UNBOUND]);
    let said = run.finding("CLAIM-PENDING", "unbound").to_string();
    assert!(said.contains("storageclass.storage.k8s.io \\\"fast\\\" not found"), "{said}");
    run.look_until_found(&CLEARED);
    let said = run.finding("VOLUME-ATTACHED", "used").to_string();
    assert!(said.contains("Multi-Attach error"), "{said}");
    run.clear_and(&CLEARED, |run| {
        for volume in ["used", "left"] {
            eventually(PATIENCE, &format!("{volume} is detached from the old node"), || {
                attachments(&bed).iter().all(|it| !is_of(it, volume, &nodes.old)).then_some(())
            });
            for pod in bed.list("pods").iter().filter(|pod| pod["metadata"]["namespace"] == volume) {
                kubelet::tries_again(&bed, pod, "creating");
            }
        }
        bed.plane.apply(&all([class("fast"), unclaimed("fast")]));
        // Empty, and its kubelet is not done.
        eventually(2 * PATIENCE, "whoever looks hears that a volume is still being detached", || {
            let (found, _) = diagnose(&bed);
            let is_it = |found: &Value| found["cause"] == "VOLUME-DETACHING" && found["grade"] == "waits";
            found["findings"].as_array()?.iter().any(is_it).then_some(())
        });
        assert!(run.is_running(), "{}", run.stderr());
        in_use(r#"{"status":{"volumesInUse":[]}}"#);
    });
}

/// The old node, a new one, and another new one in a zone of its own.
struct Nodes {
    old: String,
    new: String,
    other: String,
}

impl Nodes {
    fn of(bed: &Bed) -> Self {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (instance, version) in bed.aws.instances() {
            let name = bed.aws.node_of(&instance).expect("it has joined");
            if version == "1" { old.push(name) } else { new.push(name) }
        }
        new.sort();
        Self { old: old.remove(0), other: new.remove(1), new: new.remove(0) }
    }
}

fn zone_of(bed: &Bed, node: &str) -> String {
    let zone = &bed.get(&format!("node/{node}"))["metadata"]["labels"]["topology.kubernetes.io/zone"];
    zone.as_str().expect("it has one").to_owned()
}
