//! D1: pods that do not leave, or that others wait for, each told by its code and cleared away by what is printed.

use serde_json::Value;

use crate::support::aws::World;
use crate::support::checks;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::workloads::{OUTSIDER, all, deployment, in_namespace, outsider, pdb, with_outsider};
use crate::support::{Bed, BedOptions};

/// Each cause as often as it has fixes.
const CAUSES: [Copies; 7] = [
    Copies { code: "POD-CRASH-LOOP", namespaces: &["crash-memory", "crash-undo"], objects: &["deployment/app"] },
    Copies { code: "POD-IMAGE-PULL", namespaces: &["image"], objects: &["deployment/app"] },
    Copies { code: "POD-NOT-READY", namespaces: &["probe-delete", "probe-undo"], objects: &["deployment/app"] },
    Copies { code: "BARE-POD", namespaces: &["bare"], objects: &["pdb/app"] },
    Copies { code: "STUCK-TERMINATING", namespaces: &["stuck"], objects: &["pdb/app"] },
    Copies { code: "LANDS-BACK", namespaces: &["lands-off", "lands-stop"], objects: &["deployment/app"] },
    Copies { code: "FINALIZER", namespaces: &["held"], objects: &["pdb/app"] },
];

#[test]
fn pods_are_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    bed.plane.apply(&outsider());
    let one_may_be_out = || pdb("app", "maxUnavailable: 1");
    // The second revision breaks its first pod, and its rollout stops there.
    let crashes = ["crash-memory", "crash-undo"];
    let rollouts = [("image", "image-pull"), ("probe-undo", "never-ready")];
    let fine = crashes.into_iter().chain(rollouts.map(|(namespace, _)| namespace));
    let good = || deployment("app", 2).strategy("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}");
    let stops = |name: &str| deployment(name, 1).placed("terminationGracePeriodSeconds: 1");
    bed.plane.apply(&all(fine.map(|namespace| in_namespace(namespace, [good().yaml(), one_may_be_out()]))));
    // Onto the node that it comes from and no other, cordoned or not.
    let old = checks::name(&bed.nodes()[0]);
    bed.plane.kubectl(&["label", "node", &old, "place=old"]);
    let lands = || {
        let tolerates = "tolerations: [{key: node.kubernetes.io/unschedulable, operator: Exists, effect: NoSchedule}]";
        deployment("app", 1).strategy("{type: Recreate}").placed("nodeSelector: {place: old}").placed(tolerates)
    };
    bed.plane.apply(&all(["lands-off", "lands-stop"].map(|namespace| in_namespace(namespace, [lands().yaml()]))));
    bed.plane.apply(&all([
        in_namespace("probe-delete", [with_outsider(deployment("app", 2)).yaml(), one_may_be_out()]),
        in_namespace("stuck", [stops("app").annotated("mngup.test/stuck-terminating", "true").yaml()]),
        in_namespace("held", [stops("app").yaml()]),
        in_namespace(
            "bare",
            ["\
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: default, annotations: {mngup.test/start-ms: \"200\", mngup.test/stop-ms: \"100\"}}
spec: {containers: [{name: app, image: app}]}
"
            .to_owned()],
        ),
    ]));
    bed.wait_until_settled();
    for (namespace, trouble) in rollouts {
        let bad = good().annotated(&format!("mngup.test/{trouble}"), "true");
        bed.plane.apply(&in_namespace(namespace, [bad.yaml()]));
    }
    // Killed for as long as this is all that it may use.
    let hungry = good().contains("resources: {limits: {memory: 64Mi}}").annotated("mngup.test/crash-loop", "64Mi");
    bed.plane.apply(&all(crashes.map(|namespace| in_namespace(namespace, [hungry.yaml()]))));
    let held = bed.wait_for_pods("held", 1, 0).remove(0);
    let hold = r#"{"metadata":{"finalizers":["example.com/hold"]}}"#;
    bed.plane.kubectl(&["-n", "held", "patch", &pod(&held), "--type=merge", "-p", hold]);
    let elsewhere = bed.wait_for_pods("probe-delete", 2, 0);
    let elsewhere = elsewhere.iter().find(|pod| pod["spec"]["nodeName"] == OUTSIDER).expect("they are apart");
    bed.plane.kubectl(&["-n", "probe-delete", "annotate", &pod(elsewhere), "mngup.test/never-ready=true"]);
    for namespace in ["crash-memory", "crash-undo", "image", "probe-undo", "probe-delete"] {
        bed.wait_for_pods(namespace, 2, 1);
    }

    // Ahead of the run, so that what lands back surely came later: times of the API have whole seconds.
    bed.plane.kubectl(&["cordon", &old]);
    let codes = CAUSES.map(|copies| copies.code);
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "1", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    run.clear(&CAUSES);
}

/// `pod/x`
fn pod(pod: &Value) -> String {
    format!("pod/{}", pod["metadata"]["name"].as_str().unwrap())
}
