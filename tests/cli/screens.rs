//! What people see of a diagnosis, world by world, as wide as they have it.

use std::{fs, path::Path};

use insta::assert_snapshot;

use crate::mngup_in;

/// The command behind a `$ ` in a page, and the lines below it that stand as deep.
fn shown(page: &str) -> (String, String) {
    let lines: Vec<_> = page.lines().skip_while(|line| !line.starts_with("    $ mngup diagnose")).collect();
    let screen = lines[1..].iter().take_while(|line| line.is_empty() || line.starts_with("    "));
    let screen: Vec<_> = screen.map(|line| line.strip_prefix("    ").unwrap_or_default()).collect();
    (lines[0].trim_start_matches("    $ mngup ").to_owned(), screen.join("\n").trim_end().to_owned())
}

#[test]
fn the_screen_in_the_readme_is_what_the_program_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (line, screen) = shown(&fs::read_to_string(folder.join("README.md")).unwrap());
    let said = mngup_in(folder, &line, &[]);
    assert_eq!(said.split("\n2> ").next().unwrap(), screen);
}

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

/// EKS gave up half way, at a pod that two budgets count.
const HALFWAY: &str = "\
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

/// What a diagnosis of this world shows, as a pipe takes it and as a terminal of 80 columns does.
fn screens(world: &str, more: &str) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("world.yaml"), world).unwrap();
    let wide = mngup_in(home.path(), &format!("diagnose --sandbox world.yaml {more}"), &[]);
    let path = home.path().join("world.yaml");
    let narrow = crate::terminal::shown(80, &format!("diagnose --sandbox {} {more}", path.display()));
    (wide, narrow.replace(path.to_str().unwrap(), "world.yaml"))
}

#[test]
fn several_causes_are_told_the_worst_first_and_symptoms_under_their_root() {
    let (wide, narrow) = screens(SEVERAL, "");
    assert_snapshot!("several_120", wide);
    assert_snapshot!("several_80", narrow);
}

#[test]
fn before_an_upgrade_it_is_said_what_would_hold_it() {
    let (wide, narrow) = screens(SEVERAL, "--before-upgrade");
    assert_snapshot!("several_before_120", wide);
    assert_snapshot!("several_before_80", narrow);
}

#[test]
fn a_launch_that_fails_is_told_in_the_words_of_aws() {
    let (wide, narrow) = screens(LAUNCH, "");
    assert_snapshot!("launch_120", wide);
    assert_snapshot!("launch_80", narrow);
}

#[test]
fn an_instance_that_does_not_join_is_told_with_where_to_look() {
    let (wide, narrow) = screens(JOINS, "");
    assert_snapshot!("joins_120", wide);
    assert_snapshot!("joins_80", narrow);
}

#[test]
fn an_update_that_failed_is_told_with_what_it_left() {
    let (wide, narrow) = screens(HALFWAY, "--latest-update");
    assert_snapshot!("halfway_120", wide);
    assert_snapshot!("halfway_80", narrow);
}

#[test]
fn what_may_not_be_seen_is_said_with_the_right_that_lacks() {
    let (wide, narrow) = screens(BLIND, "");
    assert_snapshot!("blind_120", wide);
    assert_snapshot!("blind_80", narrow);
}

#[test]
fn a_group_of_somebody_s_own_is_looked_at_in_the_same_way() {
    let (wide, narrow) = screens(OWN, "");
    assert_snapshot!("own_120", wide);
    assert_snapshot!("own_80", narrow);
}
