//! Signals: what asks a run to end in good order, and what it may outlive.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::started;

/// A run in the sandbox with a node in flight.
struct Run {
    home: TempDir,
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

/// How a shell starts what ends with its terminal, also where these tests themselves run under `nohup`.
const USUAL: &str = "trap - HUP; exec \"$0\" \"$@\"";

/// `nohup`.
const IGNORED: &str = "trap '' HUP; exec \"$0\" \"$@\"";

/// Of GNU: a shell cannot take back what it was told to ignore from the beginning.
const DEFAULT_SIGNAL: &[&str] = if cfg!(target_os = "linux") { &["env", "--default-signal=HUP"] } else { &[] };

impl Run {
    fn begun() -> Self {
        Self::started_by(USUAL)
    }

    fn started_by(script: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let line = "upgrade --sandbox --sandbox-speed 400 --journal run.jsonl";
        let mngup = started(home.path(), line);
        let words = DEFAULT_SIGNAL.iter().chain(&["sh", "-c", script]).copied().collect::<Vec<_>>();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(mngup.get_program()).args(mngup.get_args());
        command.env_clear().envs(mngup.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(mngup.get_current_dir().unwrap());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("cordoned") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "no node was cordoned");
        }
        Self { home, child, stdout }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.home.path().join("run.jsonl")).unwrap()
    }
}

#[test]
fn a_terminal_that_hangs_up_is_as_good_as_the_first_ctrl_c() {
    for signal in ["HUP", "INT", "TERM"] {
        let mut run = Run::begun();
        run.signal(signal);
        let mut rest = String::new();
        run.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(run.code(), Some(130), "{signal}: {rest}");
        let journal = run.journal();
        assert!(journal.contains("stop-requested") && journal.contains("run-ended"), "{signal}: {journal}");
    }
}

#[test]
fn a_run_whose_terminal_is_gone_comes_to_its_end_all_the_same() {
    let mut run = Run::begun();
    drop(run.child.stderr.take());
    let Run { home, mut child, stdout } = run;
    drop(stdout);
    let pid = child.id().to_string();
    // The kernel hangs up, and so does the shell.
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let journal = fs::read_to_string(home.path().join("run.jsonl")).unwrap();
    assert!(journal.contains("run-ended"), "{journal}");
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let mut run = Run::begun();
    run.signal("INT");
    let mut line = String::new();
    while !run.journal().contains("stop-requested") {
        line.clear();
        run.stdout.read_line(&mut line).unwrap();
    }
    run.signal("INT");
    assert_eq!(run.code(), Some(130));
}

#[test]
fn under_nohup_a_run_outlives_its_terminal() {
    let mut run = Run::started_by(IGNORED);
    run.signal("HUP");
    let mut rest = String::new();
    run.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(run.code(), Some(0), "{rest}");
}
