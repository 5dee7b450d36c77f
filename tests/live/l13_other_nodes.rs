//! L13: nodes of other kinds in the same cluster are not touched.

use crate::support::aws::World;
use crate::support::checks;
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions};

/// Who else may be in a cluster: a name, labels, and where its machine is.
const OTHERS: [(&str, &str, &str); 6] = [
    ("karpenter-1", "karpenter.sh/nodepool: default", "aws:///eu-west-1a/i-0fedcba9876543210"),
    (
        "fargate-ip-10-0-9-9",
        "eks.amazonaws.com/compute-type: fargate",
        "aws:///eu-west-1a/1c2d3e4f-fargate-ip-10-0-9-9",
    ),
    ("auto-1", "eks.amazonaws.com/compute-type: auto", "aws:///eu-west-1b/i-0fedcba9876543211"),
    (
        "mi-0123456789abcdef0",
        "eks.amazonaws.com/compute-type: hybrid",
        "eks-hybrid:///eu-west-1/prod/mi-0123456789abcdef0",
    ),
    ("batch-1", "eks.amazonaws.com/nodegroup: batch", "aws:///eu-west-1c/i-0fedcba9876543212"),
    ("self-managed-1", "team: search", "aws:///eu-west-1b/i-0fedcba9876543213"),
];

#[test]
fn nodes_of_other_kinds_and_their_pods_are_not_touched() {
    untouched(World { old: 3, other_nodegroups: vec!["batch".into()], ..World::default() });
}

#[test]
fn no_label_is_needed_to_tell_the_nodes_of_a_self_managed_group_from_others() {
    untouched(World { old: 3, other_nodegroups: vec!["batch".into()], ..World::self_managed() });
}

fn untouched(world: World) {
    let workloads = all([deployment("cart", 4).yaml(), pdb("cart", "maxUnavailable: 1")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let names = OTHERS.map(|(name, ..)| name);
    bed.plane.apply(&all(OTHERS.map(|(name, label, provider_id)| node(name, label, provider_id))));
    // Pods of the same Deployment's kind, bound to those nodes: they share labels and a budget with ours.
    let guests = names.map(|name| deployment(&format!("on-{name}"), 2).placed(&format!("nodeName: {name}")).yaml());
    bed.plane.apply(&all(guests));
    bed.wait_until_settled();
    let before: Vec<_> = names.iter().map(|name| fingerprint(&bed, name)).collect();

    let run = bed.upgrade(&["--all-nodes", "--max-surge", "1", "--post-drain-delay", "1s"]);
    println!("L13: {:?}", run.took);
    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, 3);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    for entry in bed.audit() {
        let looks = ["get", "list", "watch"].contains(&entry.verb.as_str());
        let theirs =
            names.iter().any(|name| entry.name.starts_with(name) || entry.name.starts_with(&format!("on-{name}")));
        assert!(looks || !theirs, "{entry:?}");
    }
    let after: Vec<_> = names.iter().map(|name| fingerprint(&bed, name)).collect();
    assert_eq!(before, after);
}

fn node(name: &str, label: &str, provider_id: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}, {label}}}}}
spec:
  providerID: {provider_id}
  taints: [{{key: guests, value: only, effect: NoSchedule}}]
status:
  capacity: {{cpu: \"8\", memory: 32Gi, pods: \"29\"}}
  allocatable: {{cpu: \"8\", memory: 32Gi, pods: \"29\"}}
"
    )
}

/// The node as somebody wrote it, and the pods on it.
fn fingerprint(bed: &Bed, name: &str) -> String {
    let node = bed.get(&format!("node/{name}"));
    let pods = bed.list("pods").into_iter().filter(|pod| pod["spec"]["nodeName"] == name);
    let pods: Vec<_> = pods.map(|pod| pod["metadata"]["uid"].to_string()).collect();
    format!("{} {} {} {pods:?}", node["metadata"]["labels"], node["metadata"]["annotations"], node["spec"])
}
