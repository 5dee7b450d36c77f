//! What the user reads: help, mistakes, reports. Each test shows the screen as it is, stdout first, then stderr.

#![expect(clippy::unwrap_used, reason = "a helper of tests that fails should fail the test")]

mod bad_input;
mod diagnose;
mod documents;
mod evidence;
mod exit_codes;
mod flags;
mod foreseen;
mod going_on;
mod help;
mod journal;
mod last_words;
#[cfg(unix)]
mod readme;
mod report;
#[cfg(target_os = "linux")]
mod screens;
mod stand_in;
mod stdout;
mod stopping;
#[cfg(target_os = "linux")]
mod terminal;
mod values;
mod variables;
mod whose;
mod worlds;

#[path = "../live/support/aws/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, clippy::expect_used, reason = "the live tests use the rest of it")]
mod aws;

use std::path::Path;

use assert_cmd::Command;

/// Runs mngup in an empty environment and home, and shows what it said and how it ended.
fn mngup(line: &str) -> String {
    mngup_in(Path::new("/"), line, &[])
}

fn mngup_in(home: &Path, line: &str, variables: &[(&str, &str)]) -> String {
    mngup_words(home, &line.split_whitespace().collect::<Vec<_>>(), variables)
}

/// The same with words that may be empty or hold spaces.
fn mngup_words(home: &Path, words: &[&str], variables: &[(&str, &str)]) -> String {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("mngup"))
        .args(words)
        .env_clear()
        .env("HOME", home)
        .env("TZ", "UTC")
        .envs(variables.iter().copied())
        .current_dir(home)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut screen = text(&output.stdout);
    screen.extend(text(&output.stderr).lines().map(|line| format!("2> {line}\n")));
    let home = home.display().to_string();
    let screen = if home == "/" { screen } else { screen.replace(&home, "HOME") };
    let shown: Vec<_> = screen.lines().map(str::trim_end).collect();
    format!("{}\n[{}]", shown.join("\n"), output.status.code().unwrap())
}

/// An empty home but for this file.
fn home_with(file: &str, text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(file), text).unwrap();
    home
}

/// Where a world is that comes with mngup.
fn shipped(world: &str) -> String {
    format!("{}/plans/sandbox/{world}.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// A process of mngup's in an empty environment, for tests that talk to it while it runs.
fn started(home: &Path, line: &str) -> std::process::Command {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("mngup"));
    command.args(line.split_whitespace()).env_clear().env("HOME", home).env("TZ", "UTC").current_dir(home);
    command
}
