//! A run that goes on: it keeps what it was begun with, and a flag that is given now changes that one setting.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{aws::World, bad_input::Place, mngup_in};

/// The intent of a run that ann began with `--max-surge 2 --force --drain-timeout 5m`, and stopped.
fn intent() -> Value {
    json!({
        "schema": 1, "version": "0.1.0", "run": "20261121-090000-0abc", "cluster": "prod",
        "group": { "nodegroup": "workers" }, "started-at": "2026-11-21T09:00:00Z",
        "operator": { "user": "ann", "host": "runner-7" },
        "size": { "min": 1, "desired": 3, "max": 6 }, "old": 3,
        "policy": {
            "max-unavailable": null, "max-surge": 2, "drain-timeout": { "secs": 300, "nanos": 0 },
            "force": true, "post-drain-delay": { "secs": 60, "nanos": 0 },
            "replacement-timeout": { "secs": 900, "nanos": 0 }, "grace-period": null, "max-grace-period": null,
            "delete-unmanaged": false, "disable-eviction": false, "skip-wait-for-delete": null, "undrainable": "stop",
            "max-quarantined": 1, "all-nodes": false, "only": [], "order": "zone",
            "node-interval": { "secs": 0, "nanos": 0 },
        },
        "limits": {
            "max-unavailable": 1, "max-unavailable-said": 1, "max-unavailable-from": "update-config",
            "surge": 2, "surge-said": 2, "surge-from": "policy",
        },
        "surge": 0, "raised-max": null, "suspended-az-rebalance": true,
        "state": { "is": "stopped", "at": "2026-11-21T09:10:00Z", "why": "stopped by the user" },
    })
}

/// The plan of a dry run that goes on with that run, without what differs each time.
fn plan(flags: &str) -> String {
    plan_with(flags, &[])
}

/// The same with variables.
fn plan_with(flags: &str, given: &[(&str, &str)]) -> String {
    let place = Place::new(World::default());
    place.api.remember(&intent().to_string());
    let aws = place.aws.env();
    let variables: Vec<_> = aws.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let line = format!("upgrade -c prod -n workers --kubeconfig kubeconfig --dry-run {flags}");
    let screen = mngup_in(place.home.path(), &line, &[variables.as_slice(), given].concat());
    let kept: Vec<_> = screen.lines().filter(|line| told(line)).collect();
    kept.join("\n").replace(&age(&screen), "AGE")
}

/// Lines that tell how the run goes.
fn told(line: &str) -> bool {
    ["out at", "--", "goes on with"].iter().any(|words| line.contains(words))
}

fn age(screen: &str) -> String {
    let (_, rest) = screen.split_once("began ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn without_flags_the_settings_are_those_it_began_with() {
    assert_snapshot!(plan(""), @"
    1 node out at a time (the group's updateConfig) + 2 extra = up to 3 at a time; eviction timeout 5m; 1m before terminate
    --force: pods that are left after 5m are deleted, whatever their budgets say
    goes on with the run that ann@runner-7 began AGE ago with --max-surge 2 --drain-timeout 5m --force
    2> Next: mngup upgrade -c prod -n workers --kubeconfig kubeconfig
    ");
}

#[test]
fn one_flag_changes_one_setting_and_is_told() {
    assert_snapshot!(plan("--max-surge 0 --force=false"), @"
    1 node out at a time (the group's updateConfig) + no extra node; eviction timeout 5m; 1m before terminate
    goes on with the run that ann@runner-7 began AGE ago with --max-surge 2 --drain-timeout 5m --force
    as of now: --max-surge 0 instead of 2; --force=false, which was on
    2> Next: mngup upgrade -c prod -n workers --kubeconfig kubeconfig --max-surge 0 --force=false
    ");
}

#[test]
fn a_variable_takes_a_switch_back_and_an_empty_one_says_nothing() {
    assert_snapshot!(plan_with("", &[("MNGUP_FORCE", "false")]), @"
    1 node out at a time (the group's updateConfig) + 2 extra = up to 3 at a time; eviction timeout 5m; 1m before terminate
    goes on with the run that ann@runner-7 began AGE ago with --max-surge 2 --drain-timeout 5m --force
    as of now: --force=false, which was on
    2> Next: mngup upgrade -c prod -n workers --kubeconfig kubeconfig --force=false
    ");
    let empty = ["FORCE", "MAX_SURGE", "DRAIN_TIMEOUT", "NODE", "ORDER", "MAX_QUARANTINED", "ALL_NODES"]
        .map(|name| format!("MNGUP_{name}"));
    let empty: Vec<_> = empty.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(plan_with("", &empty), plan(""));
}

#[test]
fn what_cannot_be_meant_together_with_what_is_remembered_is_refused() {
    let place = Place::new(World::default());
    let mut intent = intent();
    intent["policy"]["grace-period"] = json!(60);
    place.api.remember(&intent.to_string());
    assert_snapshot!(place.mngup("upgrade -c prod -n workers --kubeconfig kubeconfig --dry-run --max-grace-period 30s"), @"
    2> error: --grace-period 60s is above --max-grace-period 30s
    2>   Next: give one of the two
    [2]
    ");
}

#[test]
fn programs_get_the_plan_as_json() {
    let place = Place::new(World::default());
    place.api.remember(&intent().to_string());
    let line = "upgrade -c prod -n workers --kubeconfig kubeconfig --dry-run --max-surge 0 -o json";
    let screen = place.mngup(line);
    let document: String = screen.lines().filter(|line| !line.starts_with("2>") && !line.starts_with("[0]")).collect();
    let plan: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(plan["policy"]["max-surge"], json!(0));
    assert_eq!(plan["policy"]["force"], json!(true));
    assert_eq!((&plan["limits"]["surge"], &plan["limits"]["max-unavailable"]), (&json!(0), &json!(1)));
}

#[test]
fn a_new_run_s_commands_carry_its_settings() {
    let place = Place::new(World::default());
    let screen = place.mngup("upgrade -c prod -n workers --kubeconfig kubeconfig --dry-run --max-surge 2 --force");
    assert_snapshot!(screen.lines().find(|line| line.contains("Next")).unwrap(), @"2> Next: mngup upgrade -c prod -n workers --kubeconfig kubeconfig --max-surge 2 --force");
    assert_snapshot!(place.mngup("upgrade -c prod -n worker --dry-run --max-surge 2"), @r#"
    2> error: cluster/prod has no nodegroup "worker"; it has workers
    2>   Next: mngup upgrade -c prod -n workers --max-surge 2 --dry-run
    [2]
    "#);
}

#[test]
fn what_abort_would_take_back() {
    let place = Place::new(World::default());
    place.api.remember(&intent().to_string());
    let screen = place.mngup("abort -c prod -n workers --kubeconfig kubeconfig --dry-run");
    assert_snapshot!(screen.replace(&age(&screen), "AGE"), @"
    cluster/prod  nodegroup/workers   undo the run that ann@runner-7 began AGE ago:
      nothing is left but what is remembered of it
    nodes that replaced others stay
    (dry run) nothing was written
    2> Next: mngup abort -c prod -n workers --kubeconfig kubeconfig
    [0]
    ");
}

#[test]
fn what_status_says_of_a_run_that_stopped() {
    let place = Place::new(World::default());
    place.api.remember(&intent().to_string());
    let screen = place.mngup("status -c prod -n workers --kubeconfig kubeconfig");
    let (_, stopped) = screen.split_once("stopped ").unwrap();
    let ago = format!("stopped {}", stopped.split(' ').next().unwrap());
    assert_snapshot!(screen.replace(&age(&screen), "AGE").replace(&ago, "stopped AGE"), @"
    cluster/prod  nodegroup/workers   began AGE ago
    0 of 3 old nodes are replaced
    stopped AGE ago: stopped by the user
    Next: mngup upgrade -c prod -n workers --kubeconfig kubeconfig   # goes on
      or: mngup abort -c prod -n workers --kubeconfig kubeconfig   # undoes what it did
    [0]
    ");
}

#[test]
fn a_second_run_is_refused_before_anybody_is_asked() {
    let place = Place::new(World::default());
    place.api.hold("ann", "runner-7");
    // The plan is not shown, and no yes is asked for.
    for command in ["upgrade", "abort"] {
        let screen = place.mngup(&format!("{command} -c prod -n workers --kubeconfig kubeconfig --yes"));
        let (held, _) = screen.split_once(" for ").unwrap();
        assert_eq!(held, "2> error: another run has this group: ann@runner-7 has held lease/kube-system/mngup-workers");
        assert!(screen.ends_with("[8]"), "{screen}");
    }
}

#[test]
fn a_journal_that_holds_only_its_header_says_whose_it_is() {
    let home = tempfile::tempdir().unwrap();
    let header = include_str!("run.jsonl").lines().next().unwrap();
    std::fs::write(home.path().join("run.jsonl"), format!("{header}\n")).unwrap();
    let screen = mngup_in(home.path(), "report run.jsonl", &[]);
    assert!(screen.starts_with("cluster/prod  nodegroup/apps"), "{screen}");
}
