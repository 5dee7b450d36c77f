//! What a run says at last of new nodes that did not come: all that it had found of them.

use crate::{home_with, mngup_in};

const WORLD: &str = "\
name: world
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: web, namespace: shop, replicas: 2, budgets: [{ max-unavailable: 1 }] }
faults:
  - { at: 1s, what: { FAULT: {} } }
";

/// The last words of a run in which this goes wrong with all launches.
fn last_words(fault: &str) -> String {
    let home = home_with("world.yaml", &WORLD.replace("FAULT", fault));
    let line = "upgrade --sandbox world.yaml --sandbox-speed 1000 --max-surge 0";
    let said = mngup_in(home.path(), line, &[]);
    assert!(said.ends_with("[6]"), "{said}");
    let from = said.find("2> NodeCreationFailure: no new node serves instead of ").unwrap();
    said[from..].to_owned()
}

#[test]
fn one_of_another_version_is_told_with_how_it_is_replaced_and_what_runs_there_is_not_lost() {
    let said = last_words("stale-launches");
    assert!(said.contains("INSTANCE-WRONG-TEMPLATE  the new instance/i-"), "{said}");
    let commands: Vec<_> = said.lines().skip_while(|line| !line.contains(" kubectl drain ip-")).take(2).collect();
    assert!(commands[0].ends_with(" &&"), "{said}");
    assert!(commands[1].contains(" aws autoscaling terminate-instance-in-auto-scaling-group "), "{said}");
}

#[test]
fn those_that_others_end_are_the_cause_and_not_the_last_of_them_and_none_of_them_was_a_node_of_the_run() {
    let said = last_words("launches-lost");
    assert!(said.contains("INSTANCE-LOST  instances that come for node/ip-"), "{said}");
    assert!(!said.contains("INSTANCE-NEVER-JOINED"), "{said}");
    let state = said.lines().find(|line| line.contains(" old nodes are replaced; ")).unwrap();
    assert_eq!(state.matches(" is gone and not replaced").count(), 1, "{state}");
}

/// Pods that all break, under a budget that keeps them for it.
const BROKEN: &str = "\
name: broken
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: web, namespace: shop, replicas: 4, budgets: [{ max-unavailable: 1 }], trouble: { kind: crash-loop, with: all } }
";

#[test]
fn a_wait_for_a_budget_that_keeps_its_own_broken_pods_names_that() {
    let home = home_with("broken.yaml", BROKEN);
    let said = mngup_in(home.path(), "upgrade --sandbox broken.yaml --sandbox-speed 1000", &[]);
    let waits: Vec<_> = said.lines().filter(|line| line.contains(" waits ")).collect();
    assert!(!waits.is_empty() && said.ends_with("[5]"), "{said}");
    let is_named = |line: &&str| line.contains(": PDB-EXHAUSTED <- PDB-UNHEALTHY-BLOCKS pdb/shop/web: ");
    assert!(waits.iter().all(is_named), "{}", waits.join("\n"));
}
