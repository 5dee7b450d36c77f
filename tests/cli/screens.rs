//! What people see of a diagnosis, world by world, as wide as they have it.

use insta::assert_snapshot;

use crate::{foreseen::HALFWAY, home_with, mngup_in};

/// Three things at once: of one only what it does to a budget shows.
const SEVERAL: &str = "\
name: several
group:
  nodegroup: { name: workers, max-unavailable: 2 }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 3 }
  - { name: eu-west-1b, old: 2 }
workloads:
  - { kind: DaemonSet, name: aws-node, namespace: kube-system, cpu: 50m, tolerations: [{}] }
  - { kind: Deployment, name: cart, namespace: shop, replicas: 5, anti-affinity: hostname, revision: 2, trouble: { kind: crash-loop, with: new }, budgets: [{ max-unavailable: 1 }] }
  - { kind: Deployment, name: ledger, namespace: bank, replicas: 3, budgets: [{ min-available: 100% }] }
  - { kind: Deployment, name: search, namespace: shop, replicas: 3, budgets: [{ max-unavailable: 1 }, { name: everything, max-unavailable: 1 }] }
";

/// AWS has no such instances left.
const LAUNCH: &str = "\
name: launch
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: web, namespace: shop, replicas: 2, budgets: [{ max-unavailable: 1 }] }
faults:
  - { at: 1s, what: { launches-fail: { reason: capacity } } }
";

/// Instances start and never join.
const JOINS: &str = "\
name: joins
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: web, namespace: shop, replicas: 2, budgets: [{ max-unavailable: 1 }] }
faults:
  - { at: 1s, what: { never-join: {} } }
";

/// Whoever looks may not see what would explain it.
const BLIND: &str = "\
name: blind
denied: [list events, get deployments, \"eks:DescribeUpdate\"]
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: web, namespace: shop, replicas: 2, trouble: { kind: no-address, with: new }, budgets: [{ max-unavailable: 1 }] }
";

/// A group that nobody manages but its owner.
const OWN: &str = "\
name: own
group:
  asg: batch-workers
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: ledger, namespace: bank, replicas: 2, budgets: [{ max-unavailable: 0 }] }
";

/// Holds what a diagnosis of this world shows against its snapshots: as a pipe takes it, and as a terminal of 80 columns.
fn is_shown_as(name: &str, world: &str, more: &str) {
    let home = home_with("world.yaml", world);
    let wide = mngup_in(home.path(), &format!("diagnose --sandbox world.yaml {more}"), &[]);
    assert_snapshot!(format!("{name}_120"), wide);
    let path = home.path().join("world.yaml");
    let narrow = crate::terminal::shown(80, &format!("diagnose --sandbox {} {more}", path.display()));
    assert_snapshot!(format!("{name}_80"), narrow.replace(path.to_str().unwrap(), "world.yaml"));
}

#[test]
fn several_causes_are_told_the_worst_first_and_symptoms_under_their_root() {
    is_shown_as("several", SEVERAL, "");
}

#[test]
fn before_an_upgrade_it_is_said_what_would_hold_it() {
    is_shown_as("several_before", SEVERAL, "--before-upgrade");
}

#[test]
fn a_launch_that_fails_is_told_in_the_words_of_aws() {
    is_shown_as("launch", LAUNCH, "");
}

#[test]
fn an_instance_that_does_not_join_is_told_with_where_to_look() {
    is_shown_as("joins", JOINS, "");
}

#[test]
fn an_update_that_failed_is_told_with_what_it_left() {
    is_shown_as("halfway", HALFWAY, "--latest-update");
}

#[test]
fn what_may_not_be_seen_is_said_with_the_right_that_lacks() {
    is_shown_as("blind", BLIND, "");
}

#[test]
fn a_group_of_somebody_s_own_is_looked_at_in_the_same_way() {
    is_shown_as("own", OWN, "");
}

#[test]
fn a_node_of_such_a_group_is_looked_at_by_its_name() {
    is_shown_as("own_node", OWN, "--node ip-10-0-1-240");
}
