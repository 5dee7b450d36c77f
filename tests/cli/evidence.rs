//! What is odd about a group is told before anything is touched, also where nothing is old, to people and to programs.

use insta::assert_snapshot;
use serde_json::Value;

use crate::{home_with, mngup_in};

/// Every node is new, and EKS says another version than their kubelets have.
const ODD: &str = "\
name: odd
group:
  nodegroup: { name: workers, version: \"1.34\" }
zones:
  - { name: a, new: 2 }
";

fn said(line: &str) -> String {
    let home = home_with("odd.yaml", ODD);
    mngup_in(home.path(), &format!("upgrade --sandbox odd.yaml {line}"), &[])
}

/// The document on stdout, and the exit code behind it.
fn document(line: &str) -> Value {
    let said = said(line);
    let (stdout, end) = said.rsplit_once('\n').unwrap();
    assert_eq!(end, "[0]", "{said}");
    let stdout: Vec<_> = stdout.lines().filter(|line| !line.starts_with("2>")).collect();
    serde_json::from_str(&stdout.join("\n")).unwrap()
}

#[test]
fn a_person_reads_it() {
    assert_snapshot!(said(""), @"
    nodegroup/workers has no old nodes: nothing to do
    2 nodes come from the target launch template, but their kubelet is v1.33.5-eks-113cf36 and the node group says 1.34: node/ip-10-0-1-190, node/ip-10-0-1-78
    [0]
    ");
    assert_snapshot!(said("--dry-run"), @"
    nodegroup/workers has no old nodes: nothing to do
    2 nodes come from the target launch template, but their kubelet is v1.33.5-eks-113cf36 and the node group says 1.34: node/ip-10-0-1-190, node/ip-10-0-1-78
    [0]
    ");
}

#[test]
fn programs_find_it_among_the_warnings() {
    let done = document("-o json");
    assert_eq!(done["outcome"], "done");
    assert_eq!(done["warnings"].as_array().unwrap().len(), 1, "{done}");
    let lines = said("-o jsonl");
    // After the journal's header.
    let records = lines.lines().filter(|line| line.starts_with('{')).skip(1);
    let events: Vec<Value> = records.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().map(|event| &event["event"]).collect::<Vec<_>>(), ["warning", "run-ended"]);
}

#[test]
fn a_dry_run_with_nothing_old_is_a_plan_without_nodes() {
    let plan = document("--dry-run -o json");
    assert_eq!((&plan["old"], &plan["order"]), (&Value::Array(Vec::new()), &Value::Array(Vec::new())), "{plan}");
    assert_eq!((&plan["cluster"], &plan["nodes"]), (&"sandbox".into(), &2.into()), "{plan}");
    let note = plan["notes"][0].as_str().unwrap();
    assert!(note.contains("the node group says 1.34"), "{note}");
    let line: Value = document("--dry-run -o jsonl");
    assert_eq!(line, plan);
}

/// One node in each zone, and a database whose volumes cannot leave theirs.
const LONELY: &str = "\
name: lonely
group:
  nodegroup: { name: workers }
zones:
  - { name: a, old: 1 }
  - { name: b, old: 1 }
workloads:
  - { kind: StatefulSet, name: db, namespace: shop, replicas: 2, anti-affinity: zone, zonal-volume: true }
";

#[test]
fn a_zone_whose_volumes_will_wait_is_named_unless_an_extra_node_comes_first() {
    let home = home_with("lonely.yaml", LONELY);
    let said = |line: &str| mngup_in(home.path(), &format!("upgrade --sandbox lonely.yaml --dry-run {line}"), &[]);
    let told: Vec<_> = "ab".chars().map(|zone| format!("zone {zone} is without a Ready node")).collect();
    let without = said("--max-surge 0");
    assert!(told.iter().all(|told| without.contains(told)) && without.contains("--max-surge 1"), "{without}");
    assert!(!told.iter().any(|told| said("").contains(told)));
}
