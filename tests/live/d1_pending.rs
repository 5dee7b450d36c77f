//! D1: pods that no node takes, each told by its code and cleared away by what is printed.

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::workloads::{Deployment, all, deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions};

/// Each cause as often as it has fixes.
const CAUSES: [Copies; 6] = [
    Copies { code: "POD-AFFINITY", namespaces: &["wants-label", "wants-nothing"], objects: &["deployment/app"] },
    Copies { code: "POD-TOO-LARGE", namespaces: &["large"], objects: &["deployment/app"] },
    Copies { code: "SCHEDULING-GATED", namespaces: &["gated"], objects: &["deployment/app"] },
    Copies { code: "QUOTA", namespaces: &["limited"], objects: &["resourcequota/limit"] },
    Copies { code: "CREATE-REFUSED", namespaces: &["secured"], objects: &["namespace/secured"] },
    Copies { code: "NO-SCHEDULER", namespaces: &["unseen"], objects: &["deployment/app"] },
];

/// What the second revision does to a Deployment.
type Spoil = fn(Deployment) -> Deployment;

#[test]
fn what_no_node_takes_is_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, ..World::default() };
    // The second revision asks for what there is not; its rollout stops at its first pod.
    let good = || deployment("app", 2).strategy("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}");
    let wants = |deployment: Deployment| deployment.placed("nodeSelector: {tier: gold}");
    let bad: [(&str, Spoil); 5] = [
        ("wants-label", wants),
        ("wants-nothing", wants),
        ("large", |deployment| deployment.asks("cpu: \"64\"")),
        ("gated", |deployment| deployment.placed("schedulingGates: [{name: example.com/hold}]")),
        ("unseen", |deployment| deployment.placed("schedulerName: nobody")),
    ];
    let objects = bad.map(|(name, _)| in_namespace(name, [good().yaml(), pdb("app", "maxUnavailable: 1")]));
    // Here the pods that are there may stay, and no other may come.
    let full = ["limited", "secured"]
        .map(|name| in_namespace(name, [deployment("app", 2).yaml(), pdb("app", "maxUnavailable: 1")]));
    let workloads = all(objects.into_iter().chain(full));
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    bed.plane.kubectl(&["-n", "limited", "create", "quota", "limit", "--hard=pods=1"]);
    bed.plane.kubectl(&["label", "namespace", "secured", "pod-security.kubernetes.io/enforce=restricted"]);
    bed.plane.apply(&all(bad.map(|(name, spoil)| in_namespace(name, [spoil(good()).yaml()]))));
    for (name, _) in bad {
        bed.wait_for_pods(name, 2, 1);
    }
    let codes = CAUSES.map(|copies| copies.code);
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "1", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    run.clear(&CAUSES);
}
