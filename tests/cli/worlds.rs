//! Worlds of the sandbox that are broken, endless or too large: file, line, field, and what is expected.

use std::fs;

use insta::assert_snapshot;

use crate::{home_with, mngup_in, mngup_words};

const SMALL: &str = "\
name: small
group:
  nodegroup: { name: workers }
zones:
  - { name: a, old: 2 }
workloads:
  - kind: Deployment
    name: web
    replicas: 2
    budgets: [{ max-unavailable: 1 }]
";

/// What is said of this world, without the remedy that is always the same.
fn said(text: &str) -> String {
    let home = home_with("world.yaml", text);
    let screen = mngup_in(home.path(), "upgrade --sandbox world.yaml --dry-run", &[]);
    let remedy = "2>   Next: mngup upgrade --sandbox   # the world that mngup brings\n";
    screen.replace(remedy, "").replace("2> error: ", "")
}

fn changed(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    said(&SMALL.replacen(from, to, 1))
}

#[test]
fn the_small_world_is_in_order() {
    assert!(said(SMALL).ends_with("[0]"));
}

#[test]
fn a_wrong_type_is_named_with_its_field() {
    assert_snapshot!(changed("replicas: 2", "replicas: two"), @"
    world.yaml:9: workloads[0].replicas: a whole number is expected here, 0 or more
    [2]
    ");
    assert_snapshot!(changed("replicas: 2", "replicas: -1"), @"
    world.yaml:9: workloads[0].replicas: a whole number is expected here, 0 or more
    [2]
    ");
    assert_snapshot!(changed("replicas: 2", "replicas: [2]"), @"
    world.yaml:9: workloads[0].replicas: one value is expected here, not a list or further fields
    [2]
    ");
    assert_snapshot!(changed("old: 2", "old: 2.5"), @"
    world.yaml:5: zones[0].old: a whole number is expected here, 0 or more
    [2]
    ");
    assert_snapshot!(changed("kind: Deployment", "kind: Deploymnet"), @"
    world.yaml:7: workloads[0].kind: unknown variant `Deploymnet`, expected one of Deployment, StatefulSet, DaemonSet, Job, Pod
    [2]
    ");
    assert_snapshot!(changed("max-unavailable: 1", "max-unavailable: 101%"), @r#"
    world.yaml:10: workloads[0].budgets[0].max-unavailable: "101%" is more than everything: a percentage is 0% to 100%
    [2]
    "#);
    assert_snapshot!(changed("name: small", "name: {}"), @"
    world.yaml:1: name: one value is expected here, not a list or further fields
    [2]
    ");
    assert_snapshot!(changed("  - { name: a, old: 2 }", "  a: 2"), @"
    world.yaml:5: zones: a list is expected here
    [2]
    ");
}

#[test]
fn an_unknown_a_missing_and_a_double_field() {
    assert_snapshot!(changed("old: 2", "olds: 2"), @"
    world.yaml:5: unknown field `olds`, expected one of name, old, new, free-addresses, contended
    [2]
    ");
    assert_snapshot!(changed("    name: web\n", ""), @"
    world.yaml:9: missing field `name`
    [2]
    ");
    assert_snapshot!(changed("    replicas: 2\n", "    replicas: 2\n    replicas: 3\n"), @"
    world.yaml:10: replicas is there twice
    [2]
    ");
}

#[test]
fn what_makes_no_sense() {
    assert_snapshot!(changed("old: 2", "old: 0"), @"
    world.yaml:5: zones: the group has no node; give a zone some old or new ones
    [2]
    ");
    assert_snapshot!(changed("  - { name: a, old: 2 }", "  []"), @"
    world.yaml:5: zones: a world needs at least one zone
    [2]
    ");
    assert_snapshot!(changed("name: a", "name: ''"), @"
    world.yaml:5: zones[0].name: a name is needed
    [2]
    ");
    assert_snapshot!(changed("  - { name: a, old: 2 }", "  - { name: a, old: 2 }\n  - { name: a, old: 1 }"), @"
    world.yaml:6: zones[1].name: a is there twice
    [2]
    ");
    assert_snapshot!(changed("max-unavailable: 1", "max-unavailable: 1, selector: { app: wbe }"), @"
    world.yaml:10: workloads[0].budgets[0].selector: no workload in namespace default has these labels
    [2]
    ");
    assert_snapshot!(changed("max-unavailable: 1 }", "max-unavailable: 1 }, { min-available: 1 }"), @"
    world.yaml:10: workloads[0].budgets[1]: a second budget is called default/web; give it another name
    [2]
    ");
    assert_snapshot!(said(&format!("{SMALL}budgets:\n  - {{ name: x, namespace: shop, selector: {{}}, min-available: 1 }}\n")), @"
    world.yaml:12: budgets[0].selector: no workload in namespace shop has these labels
    [2]
    ");
    assert_snapshot!(said(&format!("{SMALL}replies: {{ lost: 4294967295, failed: 4294967295 }}\n")), @"
    world.yaml:11: replies: together they are percentages of all requests, at most 90
    [2]
    ");
    assert_snapshot!(said(&format!("{SMALL}delays: {{ launch: 18446744073709551615s }}\n")), @r#"
    world.yaml:11: delays.launch: "18446744073709551615s" is longer than a year; leave a limit away where none is meant
    [2]
    "#);
}

#[test]
fn what_is_too_large() {
    assert_snapshot!(changed("replicas: 2", "replicas: 4000000000"), @"
    world.yaml:9: workloads[0].replicas: that makes 4000000000 pods, and a world holds at most 30000
    [2]
    ");
    assert_snapshot!(changed("old: 2", "old: 4294967295, new: 4294967295"), @"
    world.yaml:5: zones[0].old: that makes 4294967295 nodes, and a world holds at most 1000
    [2]
    ");
    assert_snapshot!(changed("group:\n", "group:\n  max: 4294967295\n"), @"
    world.yaml:3: group.max: that makes 4294967295 nodes, and a world holds at most 2000
    [2]
    ");
    let types = "group:\n  instance-types: [{ name: m6i.large, cpu: 4294967295m, memory: 8Gi }]\n";
    assert_snapshot!(changed("group:\n", types), @"
    world.yaml:3: group.instance-types[0].cpu: no machine has more than 2000 cores
    [2]
    ");
    let scale = "faults: [{ at: 1s, what: { scale: { workload: default/web, replicas: 4000000000 } } }]\n";
    assert_snapshot!(said(&format!("{SMALL}{scale}")), @"
    world.yaml:11: faults[0].what.scale.replicas: that makes 4000000000 pods, and a world holds at most 30000
    [2]
    ");
    assert_snapshot!(said(&"# nothing\n".repeat(200_000)), @"
    world.yaml: is larger than 1 MiB, and no world is that large
    [2]
    ");
}

#[test]
fn what_is_no_world_at_all() {
    let home = tempfile::tempdir().unwrap();
    let upgrade = |path: &str| mngup_words(home.path(), &["upgrade", "--sandbox", path], &[]);
    assert_snapshot!(upgrade("/dev/full"), @"
    2> error: /dev/full: is larger than 1 MiB, and no world is that large
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    assert_snapshot!(upgrade("/dev/null"), @"
    2> error: /dev/null:1: there is nothing in it
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    assert_snapshot!(upgrade("."), @"
    2> error: .: Is a directory (os error 21)
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    fs::write(home.path().join("picture.png"), [0x89, 0x50, 0xff, 0xfe]).unwrap();
    assert_snapshot!(upgrade("picture.png"), @"
    2> error: picture.png: stream did not contain valid UTF-8
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
}

#[test]
fn speeds() {
    for speed in ["1e300", "NaN", "0", "-1", "inf", "1e-300"] {
        let home = tempfile::tempdir().unwrap();
        let screen = mngup_words(home.path(), &["upgrade", "--sandbox", "--sandbox-speed", speed], &[]);
        let said = format!("invalid value '{speed}' for '--sandbox-speed <FACTOR>': a factor between 0.01 and 5000");
        assert!(screen.contains(&said) && screen.ends_with("[2]"), "{screen}");
    }
}

#[test]
fn a_mistyped_node_is_not_answered_with_another_machine() {
    let home = tempfile::tempdir().unwrap();
    let screen = mngup_in(home.path(), "upgrade --sandbox --dry-run --node ip-10-0-1-1", &[]);
    assert!(screen.contains("has no node") && !screen.contains("--node ip-"), "{screen}");
}

#[test]
fn a_journal_of_the_sandbox_lives_apart_and_says_what_it_is() {
    let home = home_with("small.yaml", SMALL);
    let run = mngup_in(home.path(), "upgrade --sandbox small.yaml --sandbox-speed 5000", &[]);
    assert!(run.contains("HOME/.local/state/mngup/sandbox/small/"), "{run}");
    let report = mngup_in(home.path(), "report", &[]);
    assert!(report.starts_with("sandbox/small  cluster/"), "{report}");
}

#[test]
fn no_node_out_is_enough_said_where_a_surge_comes_by_itself() {
    let home = home_with("small.yaml", SMALL);
    let plan = mngup_in(home.path(), "upgrade --sandbox small.yaml --dry-run --max-unavailable 0", &[]);
    assert!(plan.contains("0 nodes out at a time + 1 extra") && plan.ends_with("[0]"), "{plan}");
    let minimal = SMALL.replace("{ name: workers }", "{ name: workers, strategy: MINIMAL }");
    fs::write(home.path().join("small.yaml"), minimal).unwrap();
    let plan = mngup_in(home.path(), "upgrade --sandbox small.yaml --dry-run --max-unavailable 0", &[]);
    assert_snapshot!(plan, @"
    2> error: --max-unavailable 0 without a surge, which this group does not get by itself: no node may be out, and none comes instead of it
    2>   Next: add --max-surge 1, or let one node be out
    [2]
    ");
}
