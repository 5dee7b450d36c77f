//! What people see of a diagnosis, world by world, as wide as they have it.

use std::{fs, path::Path};

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
