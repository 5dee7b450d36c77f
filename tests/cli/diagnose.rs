//! `mngup diagnose` and `mngup explain`.

use insta::assert_snapshot;

use crate::mngup;

fn in_world(world: &str, more: &str) -> String {
    mngup(&format!("diagnose --sandbox {}/plans/sandbox/{world}.yaml {more}", env!("CARGO_MANIFEST_DIR")))
        .replace(env!("CARGO_MANIFEST_DIR"), "DIR")
}

#[test]
fn a_cause_is_told_once_with_whom_it_holds_and_what_clears_it_away() {
    assert_snapshot!(in_world("never-allows", ""), @r#"
    nodegroup/workers: 1 cause holds 2 nodes and 2 pods

    PDB-NEVER-ALLOWS  pdb/shop/legacy-api can never allow an eviction
      holds  2 pods on ip-10-0-1-253, ip-10-0-3-83: pod/shop/legacy-api-86c105b9-8jdrp, pod/shop/legacy-api-86c105b9-z7wgs
      why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always (arithmetic)
      fix    # in a real cluster:
             # new pods elsewhere: a rollout does not ask the budget; risk: restarts all of its pods; with strategy Recreate
             # they go before new ones come
             kubectl -n shop rollout restart deployment/legacy-api
      or     # let one pod leave at a time; risk: one pod less for a while
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":1}}'
      back   # puts it back, once the pods have moved:
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":"100%"}}'
      or     # delete what is left when the drain timeout ends; risk: past every budget of the group's pods
             mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml --force
      more   mngup explain PDB-NEVER-ALLOWS
    [4]
    "#);
}

#[test]
fn nothing_in_the_way_is_said_and_ends_well() {
    assert_snapshot!(mngup("diagnose --sandbox --at 0s"), @"
    nodegroup/workers: nothing stands in the way on its cordoned nodes
    [0]
    ");
}

#[test]
fn programs_read_the_code_the_object_and_whom_it_holds() {
    let said = in_world("two-budgets", "--before-upgrade -o json");
    let (json, code) = said.rsplit_once('\n').unwrap();
    let found: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&found["findings"][0]["cause"], code), (&"TWO-BUDGETS".into(), "[4]"));
    assert_eq!(found["findings"][0]["object"]["budgets"][0]["name"], "cart");
}

#[test]
fn a_name_that_is_not_there_leads_to_the_one_that_was_meant() {
    let said = in_world("never-allows", "--at 0s --node ip-10-0-1-253.ec2.internal");
    assert!(said.contains("error: the group has no node ip-10-0-1-253.ec2.internal"), "{said}");
    assert!(said.contains("--node ip-10-0-1-253") && said.ends_with("[2]"), "{said}");
    let said = in_world("never-allows", "--at 0s --pod shop/legacy-api-86c105b9-8jdrx");
    assert!(said.contains("--pod shop/legacy-api-86c105b9-8jdrp") && said.ends_with("[2]"), "{said}");
    assert_snapshot!(mngup("diagnose --sandbox --pod cart"), @"
    2> error: --pod cart has no namespace
    2>   Next: write --pod NAMESPACE/NAME
    [2]
    ");
}

#[test]
fn only_one_thing_is_looked_at() {
    let said = mngup("diagnose -c prod -n apps --node a --before-upgrade");
    assert!(said.contains("cannot be used with") && said.ends_with("[2]"), "{said}");
}

#[test]
fn a_cause_is_explained_without_a_network() {
    assert!(mngup("explain pdb-never-allows").starts_with("# PDB-NEVER-ALLOWS: "));
    assert_snapshot!(mngup("explain PDB-NEVER-ALOWS"), @"
    2> error: no cause is called PDB-NEVER-ALOWS
    2>   Next: mngup explain PDB-NEVER-ALLOWS
    [2]
    ");
    assert!(mngup("explain").contains("POD-CRASH-LOOP"));
}
