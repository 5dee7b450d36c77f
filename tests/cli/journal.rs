//! Journals that cannot be written, at the start or midway.

use std::{fs, process::Command};

use insta::assert_snapshot;

use crate::mngup_in;

#[test]
fn a_place_that_is_no_file_is_refused_before_anything_is_touched() {
    let home = tempfile::tempdir().unwrap();
    let upgrade = |path: &str| mngup_in(home.path(), &format!("upgrade --sandbox --journal {path}"), &[]);
    assert_snapshot!(upgrade("/dev/full"), @"
    2> error: /dev/full is no plain file, so no journal can be kept there
    2>   Next: name another file, or leave it out
    [2]
    ");
    assert_snapshot!(upgrade("."), @"
    2> error: . is no plain file, so no journal can be kept there
    2>   Next: name another file, or leave it out
    [2]
    ");
    fs::write(home.path().join("file"), "").unwrap();
    assert_snapshot!(upgrade("file/run.jsonl"), @"
    2> error: the journal file/run.jsonl cannot be written
    2>   because Not a directory (os error 20)
    2>   Next: name another file, or leave --journal out: then it goes where journals live
    [2]
    ");
}

#[test]
fn a_disk_that_is_full_midway_ends_the_journal_with_a_whole_line_and_not_the_run() {
    let home = tempfile::tempdir().unwrap();
    // A file may grow to 4 KiB, and no signal is sent where it would grow further: the write fails, half done.
    let run = "trap '' XFSZ; ulimit -f 4; exec \"$0\" upgrade --sandbox --sandbox-speed 1000 --journal run.jsonl";
    let output = Command::new("bash")
        .args(["-c", run, assert_cmd::cargo::cargo_bin!("mngup").to_str().unwrap()])
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let warned = "warning: the journal cannot be written: File too large (os error 27); the run goes on without";
    assert_eq!(said.matches(warned).count(), 1, "{said}");
    let journal = fs::read_to_string(home.path().join("run.jsonl")).unwrap();
    assert!(journal.len() > 2048 && journal.ends_with("}\n"), "{journal}");
    assert!(journal.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{journal}");
    let report = mngup_in(home.path(), "report run.jsonl", &[]);
    assert!(report.contains("cluster/shop  nodegroup/workers") && report.ends_with("[0]"), "{report}");
}

#[test]
fn a_run_without_a_home_says_that_it_has_no_journal_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".local"), "in the way").unwrap();
    let screen = mngup_in(home.path(), "upgrade --sandbox --sandbox-speed 1000", &[]);
    let warned = "no journal is written, and mngup report will have nothing to tell: HOME/.local/state/mngup/sandbox/shop/shop/workers/";
    assert!(screen.contains(warned) && screen.ends_with("[0]"), "{screen}");
}
