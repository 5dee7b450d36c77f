//! What a plan foresees: the findings of a diagnosis before the upgrade, remedies and all.

use insta::assert_snapshot;
use serde_json::Value;

use crate::{documents::document, home_with, mngup_in, mngup_words, shipped};

#[test]
fn a_dry_run_that_sees_pods_that_never_leave_says_what_to_fix_first_and_tells_programs_too() {
    let home = tempfile::tempdir().unwrap();
    let words = ["upgrade", "--sandbox", &shipped("never-allows"), "--dry-run"];
    let screen = mngup_words(home.path(), &words, &[]);
    let fix = screen.split("fix that first:\n\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    assert_snapshot!(fix.replace(env!("CARGO_MANIFEST_DIR"), "DIR"), @r#"
    PDB-NEVER-ALLOWS  pdb/shop/legacy-api can never allow an eviction
      holds  2 pods on ip-10-0-1-253, ip-10-0-3-83: pod/shop/legacy-api-86c105b9-8jdrp, pod/shop/legacy-api-86c105b9-z7wgs
      why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always (arithmetic)
      fix    # in a real cluster:
             # let one pod leave at a time; risk: one pod less for a while
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":1}}'
      back   # puts it back, once the pods have moved:
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":"100%"}}'
      or     # delete what is left when the drain timeout ends; risk: past every budget of the group's pods
             mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml --force
      more   mngup explain PDB-NEVER-ALLOWS
    "#);
    assert!(screen.contains("2> Next, once that is fixed: mngup upgrade --sandbox "), "{screen}");
    let plan = document(&mngup_words(home.path(), &[&words[..], &["-o", "json"]].concat(), &[]));
    let blocks: Vec<_> =
        plan["order"].as_array().unwrap().iter().filter_map(|node| node["blocks"].as_array()).collect();
    assert!(blocks.iter().any(|blocks| !blocks.is_empty()), "{plan}");
    let finding = &plan["findings"][0];
    assert_eq!(
        (&finding["cause"], &finding["object"]["pdb"]["name"]),
        (&"PDB-NEVER-ALLOWS".into(), &"legacy-api".into())
    );
    // It is the very finding that a diagnosis tells.
    let words = ["diagnose", "--sandbox", &shipped("never-allows"), "--before-upgrade", "-o", "json"];
    assert_eq!(findings(&document(&mngup_words(home.path(), &words, &[]))), findings(&plan));
}

/// What it finds, but for what is so by design, which a plan tells with each node, and for when: worlds begin at moments of
/// their own.
fn findings(document: &Value) -> Vec<Value> {
    fn timeless(value: &mut Value) {
        if let Value::Object(finding) = value {
            finding.remove("since");
            finding.values_mut().filter_map(Value::as_array_mut).flatten().for_each(timeless);
        }
    }
    let mut findings = document["findings"].as_array().unwrap().clone();
    findings.retain(|finding| finding["cause"] != "STAYS-BY-DESIGN");
    findings.iter_mut().for_each(timeless);
    findings
}

/// EKS gave up half way, at a pod that two budgets count.
pub(crate) const HALFWAY: &str = "\
name: halfway
group:
  nodegroup:
    name: workers
    update:
      id: 0a1b2c3d-0000-4000-8000-000000000001
      errors: [{ code: PodEvictionFailure, message: \"Reached max retries while trying to evict pods from nodes in node group workers\", resources: [first] }]
      left: { cordoned: true, desired: 1 }
  template: { old: 1, new: 2 }
zones:
  - { name: a, old: 2, new: 2 }
workloads:
  - kind: Deployment
    name: cart
    namespace: shop
    replicas: 4
    budgets: [{ max-unavailable: 1 }, { name: tier, max-unavailable: 1 }]
";

#[test]
fn what_a_failed_update_left_is_a_note_of_the_plan_and_no_obstacle() {
    let home = home_with("halfway.yaml", HALFWAY);
    let plan = mngup_in(home.path(), "upgrade --sandbox halfway.yaml --dry-run", &[]);
    let obstacles = plan.split("\n\n").nth(1).unwrap();
    assert_snapshot!(obstacles, @"
    TWO-BUDGETS pdb/shop/cart and pdb/shop/tier count the same pods: the eviction API refuses a pod that more than one budget counts, now and always
    EKS-MIXED-VERSIONS nodegroup/workers has nodes of both versions; an upgrade goes on: 2 nodes from another launch template version than the group's (kubelet v1.32.9-eks-113cf36), 2 from the group's (kubelet v1.33.5-eks-113cf36) (good to know)
    EKS-LEFT-CORDONED 2 nodes of nodegroup/workers are left as the update had them: 2 unschedulable, 2 out of load balancers, and no run of mngup marked them (good to know)
    EKS-LEFT-SIZE nodegroup/workers is larger than before the update: 4 instead of 3: the update made the group want 4 instead of 3; it wants 4 now (good to know)
    ");
    assert!(!plan.split("fix that first:").nth(1).unwrap().contains("EKS-MIXED-VERSIONS"), "{plan}");
    let before = document(&mngup_in(home.path(), "diagnose --sandbox halfway.yaml --before-upgrade -o json", &[]));
    let plan = document(&mngup_in(home.path(), "upgrade --sandbox halfway.yaml --dry-run -o json", &[]));
    assert_eq!(findings(&before), findings(&plan));
}
