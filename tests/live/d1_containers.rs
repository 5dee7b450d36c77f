//! D1: pods that a kubelet cannot start, or that others do not let become Ready. Kubelets are played, in their own words.

use serde_json::{Value, json};

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::kubelet::{NO_ADDRESS, NO_CONFIG_MAP, NO_NETWORK, NO_SECRET, outside, plays, says, tries_again};
use crate::support::workloads::{OUTSIDER, all, deployment, in_namespace, outsider, pdb, with_outsider};
use crate::support::{Bed, BedOptions, checks};

/// Each cause as often as it has fixes.
const CAUSES: [Copies; 6] = [
    Copies {
        code: "POD-CONFIG-MISSING",
        namespaces: &["config-undo", "config-made"],
        objects: &["deployment/app", "secret/app"],
    },
    // The same, told by an event: it was never otherwise, so there is nothing to go back to.
    Copies { code: "POD-CONFIG-MISSING", namespaces: &["mount"], objects: &["configmap/app"] },
    Copies { code: "POD-INIT-FAILS", namespaces: &["init-again", "init-undo"], objects: &["deployment/app"] },
    Copies { code: "POD-SANDBOX", namespaces: &["sandbox-again", "sandbox-agent"], objects: &["deployment/app"] },
    Copies { code: "POD-NO-ADDRESS", namespaces: &["address-agent", "address-again"], objects: &["deployment/app"] },
    Copies { code: "POD-PROBE-GATE", namespaces: &["gate"], objects: &["deployment/app"] },
];

/// One pod on our node, one elsewhere that something becomes the matter with.
const APART: [&str; 10] = [
    "config-undo",
    "config-made",
    "mount",
    "init-again",
    "init-undo",
    "sandbox-again",
    "sandbox-agent",
    "address-agent",
    "address-again",
    "slow",
];

/// Those of them that have a second revision.
const REVISED: [&str; 3] = ["config-undo", "config-made", "init-undo"];

/// What the AWS Load Balancer Controller puts into pods behind a load balancer.
const GATE: &str = "target-health.elbv2.k8s.aws/k8s-gate-app-0a1b2c3d4e";

const CONTROLLER: &str = "aws-load-balancer-controller";

#[test]
fn what_a_kubelet_cannot_start_is_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    let kube_system = deployment(CONTROLLER, 1).yaml().replace("namespace: default", "namespace: kube-system");
    bed.plane.apply(&all([outsider(), aws_node(), kube_system]));
    let app = || {
        let apart = with_outsider(deployment("app", 2)).strategy("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}");
        apart.placed("initContainers: [{name: migrate, image: migrate}]")
    };
    let one_may_be_out = || pdb("app", "maxUnavailable: 1");
    bed.plane.apply(&all(APART.map(|name| in_namespace(name, [app().yaml(), one_may_be_out()]))));
    bed.wait_until_settled();
    let gated = app().placed(&format!("readinessGates: [{{conditionType: {GATE}}}]"));
    bed.plane.apply(&in_namespace("gate", [gated.yaml(), one_may_be_out()]));
    // A second revision, to go back from.
    for name in REVISED {
        bed.plane.apply(&in_namespace(name, [app().start_ms(300).yaml()]));
    }
    for name in REVISED {
        bed.plane.kubectl(&["-n", name, "rollout", "status", "deployment/app", "--timeout=1m"]);
    }
    for (name, annotation, value) in [
        ("config-undo", "config-missing", NO_SECRET),
        ("config-made", "config-missing", NO_SECRET),
        ("init-again", "init-fails", "true"),
        ("init-undo", "init-fails", "true"),
        // An image that takes its time: nobody says anything.
        ("slow", "creating", "true"),
    ] {
        plays(&bed, &outside(&bed, name, "app"), annotation, value);
    }
    for (name, reason, message) in [
        ("mount", "FailedMount", NO_CONFIG_MAP),
        ("sandbox-again", "FailedCreatePodSandBox", NO_NETWORK),
        ("sandbox-agent", "FailedCreatePodSandBox", NO_NETWORK),
        ("address-agent", "FailedCreatePodSandBox", NO_ADDRESS),
        ("address-again", "FailedCreatePodSandBox", NO_ADDRESS),
    ] {
        let pod = outside(&bed, name, "app");
        plays(&bed, &pod, "creating", "true");
        says(&bed, &pod, reason, message);
    }
    let pods = bed.wait_for_pods("gate", 2, 2);
    opens_gate(&bed, pods.iter().find(|pod| pod["spec"]["nodeName"] != OUTSIDER).expect("they are apart"));
    for name in APART.into_iter().chain(["gate"]) {
        bed.wait_for_pods(name, 2, 1);
    }
    let agent = outside(&bed, "kube-system", "aws-node");

    let codes = CAUSES.map(|copies| copies.code);
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "1", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    let findings = run.diagnosis["findings"].as_array().unwrap();
    let slow = findings.iter().find(|found| found["object"].to_string().contains("\"slow\"")).expect("it is told");
    assert_eq!((&slow["cause"], &slow["grade"]), (&json!("POD-STARTING"), &json!("waits")), "{slow:#}");
    run.clear_and(&CAUSES, |_| {
        // What comes of it on a real node, each only where what it takes is there.
        for (namespace, object) in [("config-made", "secret/app"), ("mount", "configmap/app")] {
            assert_ne!(bed.essence(namespace, object), Value::Null, "{namespace}");
        }
        tries_again(&bed, &outside(&bed, "config-made", "app"), "config-missing");
        tries_again(&bed, &outside(&bed, "mount", "app"), "creating");
        let anew = outside(&bed, "kube-system", "aws-node");
        assert_ne!(anew["metadata"]["uid"], agent["metadata"]["uid"], "the agent of that node was started anew");
        tries_again(&bed, &outside(&bed, "sandbox-agent", "app"), "creating");
        tries_again(&bed, &outside(&bed, "address-agent", "app"), "creating");
        let controller = bed.essence("kube-system", &format!("deployment/{CONTROLLER}")).to_string();
        assert!(controller.contains("kubectl.kubernetes.io/restartedAt"), "{controller}");
        opens_gate(&bed, &outside(&bed, "gate", "app"));
        tries_again(&bed, &outside(&bed, "slow", "app"), "creating");
    });
}

/// As the load balancer's controller does once its target is healthy.
fn opens_gate(bed: &Bed, pod: &Value) {
    let condition = json!({ "type": GATE, "status": "True", "lastTransitionTime": null });
    let patch = json!({ "status": { "conditions": [condition] } }).to_string();
    bed.plane.kubectl(&["-n", "gate", "patch", "pod", &checks::name(pod), "--subresource=status", "-p", &patch]);
}

/// The VPC CNI.
fn aws_node() -> String {
    "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: aws-node, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: aws-node}}
  template:
    metadata:
      labels: {k8s-app: aws-node, app: aws-node}
      annotations: {mngup.test/start-ms: \"200\", mngup.test/stop-ms: \"100\"}
    spec:
      containers: [{name: aws-node, image: amazon-k8s-cni}]
      tolerations: [{operator: Exists}]
"
    .to_owned()
}
