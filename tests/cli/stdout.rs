//! An answer that cannot be written is not given: exit codes say so.

use std::{
    fs::File,
    io::{Read, pipe},
    path::Path,
    process::Stdio,
};

use insta::assert_snapshot;

use crate::{mngup_in, started};

const NOTHING_OLD: &str = "
name: new
cluster: shop
group: { nodegroup: { name: workers, max-unavailable: 1 }, max: 6, template: { old: 7, new: 8 } }
zones:
  - { name: eu-west-1a, old: 0, new: 2 }
";

/// What is said on stderr, and how it ends, with this as stdout.
fn with_stdout(home: &Path, line: &str, stdout: Stdio) -> String {
    let mut child = started(home, line).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    format!("{said}[{}]", child.wait().unwrap().code().unwrap())
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A home with the journal of a run, and a world where nothing is to be done.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("run.jsonl"), include_str!("run.jsonl")).unwrap();
    std::fs::write(home.path().join("new.yaml"), NOTHING_OLD).unwrap();
    home
}

const ANSWERS: [&str; 12] = [
    "report run.jsonl",
    "report run.jsonl -o json",
    "report run.jsonl -o jsonl",
    "upgrade --sandbox --dry-run",
    "upgrade --sandbox --dry-run -o json",
    "upgrade --sandbox --dry-run -o jsonl",
    "upgrade --sandbox new.yaml",
    "upgrade --sandbox new.yaml -o json",
    "upgrade --sandbox new.yaml -o jsonl",
    "completions bash",
    "upgrade --help",
    "--version",
];

#[test]
fn a_full_disk_is_an_error_for_every_command_that_answers() {
    let home = home();
    for line in ANSWERS {
        let screen = with_stdout(home.path(), line, full());
        assert_eq!(
            screen,
            "error: the answer could not be written to stdout\n  because No space left on device (os error 28)\n[1]",
            "{line}"
        );
    }
}

#[test]
fn a_closed_pipe_is_no_success_and_no_news() {
    let home = home();
    for line in ANSWERS {
        assert_eq!(with_stdout(home.path(), line, closed()), "[141]", "{line}");
    }
}

#[test]
fn a_run_goes_on_without_a_reader_and_its_code_says_that_nobody_read() {
    let home = home();
    for form in ["human", "json", "jsonl"] {
        let line = format!("upgrade --sandbox --sandbox-speed 1000 --journal {form}.jsonl -o {form}");
        let screen = with_stdout(home.path(), &line, closed());
        assert!(screen.ends_with("[141]") && !screen.contains("error:"), "{form}: {screen}");
        let report = mngup_in(home.path(), &format!("report {form}.jsonl"), &[]);
        assert!(report.contains("12 nodes replaced, 0 left"), "{form}: {report}");
    }
    let screen =
        with_stdout(home.path(), "upgrade --sandbox --sandbox-speed 1000 --journal full.jsonl -o json", full());
    let end = screen.split_once("error:").map(|(_, end)| end).unwrap();
    assert_snapshot!(end, @"
     the answer could not be written to stdout
      because No space left on device (os error 28)
      Next: mngup report full.jsonl   # tells it again
    [1]
    ");
}

#[test]
fn a_run_that_failed_keeps_its_code() {
    let home = home();
    let world = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/sandbox/never-allows.yaml");
    let line = format!("upgrade --sandbox {world} --sandbox-speed 1000 --drain-timeout 1m");
    assert!(with_stdout(home.path(), &line, closed()).ends_with("[5]"));
    let screen = with_stdout(home.path(), &line, full());
    assert!(screen.contains("No space left on device") && screen.ends_with("[5]"), "{screen}");
}

#[test]
fn nobody_who_reads_stderr_is_no_reason_to_stop() {
    let home = home();
    for stderr in [full(), closed()] {
        let mut run = started(home.path(), "upgrade --sandbox --sandbox-speed 1000 -v");
        let output = run.stderr(stderr).stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("upgraded: 12 nodes"), "{said}");
    }
}
