//! `mngup report`: journals that are whole, torn, damaged or missing.

use std::fs;

use insta::assert_snapshot;

use crate::{home_with, mngup_in};

/// A run over one node, held up by a budget for two minutes.
const JOURNAL: &str = include_str!("run.jsonl");

#[test]
fn a_report_of_no_journal() {
    let home = tempfile::tempdir().unwrap();
    assert_snapshot!(mngup_in(home.path(), "report -n apps", &[]), @"
    2> error: there is no journal of nodegroup/apps below HOME/.local/state/mngup
    2>   Next: mngup report JOURNAL
    2>     or: mngup status -c CLUSTER -n apps   # reads the cluster instead of a journal
    [2]
    ");
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: cannot use the journal run.jsonl
    2>   because No such file or directory (os error 2)
    [2]
    ");
}

#[test]
fn a_damaged_journal() {
    let home = tempfile::tempdir().unwrap();
    let damaged = JOURNAL.replacen("node-drained", "node-drain", 1);
    fs::write(home.path().join("run.jsonl"), damaged).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: run.jsonl line 9 is damaged: unknown variant `node-drain` (column 137)
    2>   Next: look at it: sed -n 9p run.jsonl   # the lines before it can be read
    [2]
    ");
    fs::write(home.path().join("run.jsonl"), JOURNAL.replace(r#"journal":1"#, r#"journal":7"#)).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: run.jsonl was written by a newer mngup (journal version 7; this one knows 1)
    2>   Next: update mngup
    [2]
    ");
    fs::write(home.path().join("run.jsonl"), "dear diary\n").unwrap();
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: run.jsonl is not a journal of mngup: its first line is no header: expected value (column 1)
    2>   Next: name another file, or leave it out
    [2]
    ");
}

#[test]
fn what_points_elsewhere_is_refused_and_not_ignored() {
    let home = home_with("run.jsonl", JOURNAL);
    assert_snapshot!(mngup_in(home.path(), "report --asg x --nodegroup y", &[]), @"
    2> error: --nodegroup y and --asg x name two groups
    2>   Next: give one of them
    [2]
    ");
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl -c shop", &[]), @"
    2> error: run.jsonl is a journal of cluster/prod nodegroup/apps, and not of --cluster shop
    2>   Next: mngup report run.jsonl -c prod
    2>     or: leave the journal out: the newest of what the flags name is read
    [2]
    ");
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl --asg x", &[("MNGUP_CLUSTER", "prod")]), @"
    2> error: run.jsonl is a journal of cluster/prod nodegroup/apps, and not of --asg x
    2>   Next: mngup report run.jsonl
    2>     or: leave the journal out: the newest of what the flags name is read
    [2]
    ");
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[("MNGUP_CLUSTER", "shop")]), @"
    2> error: run.jsonl is a journal of cluster/prod nodegroup/apps, and not of --cluster shop
    2>   --cluster comes from the variable MNGUP_CLUSTER
    2>   Next: mngup report run.jsonl -c prod
    2>     or: leave the journal out: the newest of what the flags name is read
    [2]
    ");
    assert!(mngup_in(home.path(), "report run.jsonl -c prod -n apps", &[]).ends_with("[0]"));
}

#[test]
fn the_newest_journal_is_summarised_torn_or_not() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".local/state/mngup/prod/apps");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("r1.jsonl"), &JOURNAL[..JOURNAL.len() - 20]).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report", &[]), @"
    cluster/prod  nodegroup/apps  began 2026-11-21 09:00:00 UTC
    not ended, 5m50s so far: 1 node replaced
    1 pod moved, 1 eviction accepted, 1 refused

    node         zone  drain  settle  leave  replace  total  pods  refused
    ip-10-0-1-7  1a    2m31s      1m    17s       2m  5m48s     1        1

    waited for what stood in the way
        2m30s  node/ip-10-0-1-7  for pdb/shop/cart
    [0]
    ");
    fs::write(folder.join("r1.jsonl"), JOURNAL).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report -c prod -n apps", &[]), @"
    cluster/prod  nodegroup/apps  began 2026-11-21 09:00:00 UTC
    done after 5m51s: 1 node replaced, 0 left
    1 pod moved, 1 eviction accepted, 1 refused

    node         zone  drain  settle  leave  replace  total  pods  refused
    ip-10-0-1-7  1a    2m31s      1m    17s       2m  5m48s     1        1

    waited for what stood in the way
        2m30s  node/ip-10-0-1-7  for pdb/shop/cart
    [0]
    ");
    assert_snapshot!(mngup_in(home.path(), "report -o json", &[]), @r#"
    {
      "cluster": "prod",
      "group": {
        "nodegroup": "apps"
      },
      "run": "r1",
      "started-at": "2026-11-21T09:00:00Z",
      "ended-at": "2026-11-21T09:05:51Z",
      "seconds": 351,
      "outcome": "done",
      "resumed": 0,
      "replaced": 1,
      "left": 0,
      "pods-moved": 1,
      "evictions": 1,
      "refusals": 1,
      "deleted": [],
      "went-down": [],
      "nodes": [
        {
          "node": "ip-10-0-1-7.eu-west-1.compute.internal",
          "instance": "i-0f3a",
          "zone": "eu-west-1a",
          "fate": "replaced",
          "replaced-by": "ip-10-0-4-22.eu-west-1.compute.internal",
          "chosen-at": "2026-11-21T09:00:02Z",
          "drain-seconds": 151,
          "settle-seconds": 60,
          "terminate-seconds": 17,
          "replace-seconds": 120,
          "total-seconds": 348,
          "pods": 1,
          "refusals": 1,
          "deleted": 0
        }
      ],
      "waits": [
        {
          "who": "node/ip-10-0-1-7.eu-west-1.compute.internal",
          "what": "pdb/shop/cart",
          "seconds": 150,
          "blocks": true
        }
      ],
      "stuck": [],
      "warnings": []
    }
    [0]
    "#);
    let lines = mngup_in(home.path(), "report -o jsonl", &[]);
    assert_eq!(lines.lines().count(), JOURNAL.lines().count() + 1, "{lines}");
}

#[test]
fn what_upgrade_and_report_print_as_json_lines_can_be_reported_on() {
    let home = tempfile::tempdir().unwrap();
    let answer = |line: &str| {
        let screen = mngup_in(home.path(), line, &[]);
        let answer = screen.lines().filter(|line| line.starts_with('{')).map(|line| format!("{line}\n"));
        answer.collect::<String>()
    };
    let upgrade = answer("upgrade --sandbox --sandbox-speed 1000 --journal run.jsonl -o jsonl");
    assert_eq!(upgrade, fs::read_to_string(home.path().join("run.jsonl")).unwrap());
    assert_eq!(answer("report run.jsonl -o jsonl"), upgrade);
    fs::write(home.path().join("stdout.jsonl"), upgrade).unwrap();
    let report = mngup_in(home.path(), "report stdout.jsonl", &[]);
    assert!(report.starts_with("sandbox/shop  cluster/shop  nodegroup/workers  began "), "{report}");
    assert_eq!(report, mngup_in(home.path(), "report run.jsonl", &[]));
}
