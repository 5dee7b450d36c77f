//! D1: budgets that hold an upgrade, each told by its code and cleared away by what is printed.

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::workloads::{all, deployment, in_namespace, named_pdb, outsider, pdb, with_outsider};
use crate::support::{Bed, BedOptions, PERSON};

/// Each cause as often as it has fixes.
const CAUSES: [Copies; 4] = [
    Copies {
        code: "PDB-NEVER-ALLOWS",
        namespaces: &["never-restart", "never-scale", "never-relax"],
        objects: &["pdb/app", "deployment/app"],
    },
    Copies { code: "PDB-UNHEALTHY-BLOCKS", namespaces: &["broken-allow", "broken-delete"], objects: &["pdb/app"] },
    Copies { code: "PDB-SYNC-FAILED", namespaces: &["uncounted"], objects: &["pdb/app"] },
    Copies { code: "TWO-BUDGETS", namespaces: &["twice-app", "twice-spare"], objects: &["pdb/app", "pdb/spare"] },
];

#[test]
fn budgets_are_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    bed.plane.apply(&outsider());
    let never = || [deployment("app", 1).yaml(), pdb("app", "minAvailable: 1")];
    let twice =
        || [deployment("app", 2).yaml(), pdb("app", "maxUnavailable: 1"), named_pdb("spare", "app", "minAvailable: 1")];
    bed.plane.apply(&all([
        in_namespace("never-restart", never()),
        in_namespace("never-scale", never()),
        in_namespace("never-relax", never()),
        in_namespace("twice-app", twice()),
        in_namespace("twice-spare", twice()),
        in_namespace("bystander", [deployment("app", 2).yaml(), pdb("app", "maxUnavailable: 1")]),
    ]));
    bed.wait_until_settled();
    // One on our node and one elsewhere, both of which crash.
    let broken = || with_outsider(deployment("app", 2).annotated("mngup.test/crash-loop", "true"));
    let broken = || [broken().yaml(), pdb("app", "minAvailable: 1")];
    bed.plane.apply(&all([in_namespace("broken-allow", broken()), in_namespace("broken-delete", broken())]));
    // Not before the others have settled: this one never does.
    bed.plane.apply(&in_namespace("uncounted", [job("app", 2), pdb("app", "maxUnavailable: 50%")]));
    bed.wait_for_pods("uncounted", 2, 0);
    bed.wait_for_pods("broken-allow", 2, 2);
    bed.wait_for_pods("broken-delete", 2, 2);

    let codes = CAUSES.map(|copies| copies.code);
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "1", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    // Whoever looks with kubectl reads it there.
    let describe = |line: &str| {
        let said = bed.plane.shell(PERSON, &format!("kubectl {line}")).expect("it is there");
        // Its columns are as wide as what stands in them.
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let budget = describe("-n never-relax describe pdb/app");
    assert!(budget.contains("Warning Blocked") && budget.contains("mngup PDB-NEVER-ALLOWS: "), "{budget}");
    let node = bed.nodes().into_iter().find(|node| node["spec"]["unschedulable"] == true).expect("one is cordoned");
    let node = describe(&format!("describe node/{}", node["metadata"]["name"].as_str().unwrap()));
    for code in codes {
        assert!(node.contains(&format!("mngup {code}: ")), "{node}");
    }
    let ended = run.clear(&CAUSES);
    let budget = describe("-n never-restart describe pdb/app");
    assert!(budget.contains("Normal Unblocked"), "{budget}\n{ended}");
    // Nobody is asked about who is not held.
    let lists: Vec<_> =
        bed.audit().into_iter().filter(|entry| entry.resource == "events" && entry.verb == "list").collect();
    println!("D1: {} lists of events", lists.len());
    assert!(
        lists.iter().all(|entry| entry.namespace != "bystander" && entry.uri.contains("fieldSelector=")),
        "{lists:?}"
    );
}

/// So many pods that a Job owns, which has no number to be scaled to.
fn job(name: &str, pods: u32) -> String {
    format!(
        "\
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, namespace: default}}
spec:
  parallelism: {pods}
  completions: {pods}
  backoffLimit: 20
  template:
    metadata:
      labels: {{app: {name}}}
      annotations: {{mngup.test/start-ms: \"200\", mngup.test/stop-ms: \"100\"}}
    spec: {{restartPolicy: Never, containers: [{{name: app, image: app}}]}}
"
    )
}
