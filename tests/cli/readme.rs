//! The README shows what the program says.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::mngup_in;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// What stands indented from the first line on that begins so, the indent left away.
fn shown(page: &str, begins: &str) -> String {
    let lines = page.lines().skip_while(|line| !line.strip_prefix("    ").is_some_and(|line| line.starts_with(begins)));
    let screen = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let screen: Vec<_> = screen.map(|line| line.strip_prefix("    ").unwrap_or_default()).collect();
    screen.join("\n").trim_end().to_owned()
}

/// What this command says in a folder that has the worlds which come with mngup, where a README's reader runs it.
fn said(line: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans"), home.path().join("plans")).unwrap();
    mngup_in(home.path(), line, &[])
}

#[test]
fn its_first_screen_is_how_the_run_ends_that_it_tells_to_try() {
    let readme = readme();
    let screen = shown(&readme, "PodEvictionFailure: ");
    let tried = shown(&readme, "cargo run --release -- upgrade --sandbox plans/");
    let said = said(tried.lines().next().unwrap().trim_start_matches("cargo run --release -- "));
    let stderr: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("2>")).collect();
    let stderr: Vec<_> = stderr.iter().map(|line| line.strip_prefix(' ').unwrap_or_default()).collect();
    assert!(stderr.join("\n").contains(&screen), "{said}");
}

#[test]
fn its_diagnosis_is_what_the_program_says() {
    let shown = shown(&readme(), "$ mngup diagnose");
    let (line, screen) = shown.split_once('\n').unwrap();
    assert_eq!(said(line.trim_start_matches("$ mngup ")).split("\n2> ").next().unwrap(), screen);
}
