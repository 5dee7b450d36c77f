//! The catalogue, the pages and their index say the same.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use mngup::domain::{Cause, Family};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/causes")
}

#[test]
fn every_cause_has_a_page_and_every_page_a_cause() {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> =
        names.filter(|name| name != "README.md").map(|name| name.strip_suffix(".md").unwrap().to_owned()).collect();
    let causes: BTreeSet<String> = Cause::ALL.iter().map(|cause| cause.code().to_owned()).collect();
    assert_eq!(causes.difference(&pages).collect::<Vec<_>>(), Vec::<&String>::new(), "causes without a page");
    assert_eq!(pages.difference(&causes).collect::<Vec<_>>(), Vec::<&String>::new(), "pages without a cause");
}

#[test]
fn the_index_has_each_cause_under_its_family_with_its_title() {
    let index = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut sections = index.split("\n## ").skip(1);
    for family in Family::ALL {
        let section = sections.next().unwrap();
        let heading = section.lines().next().unwrap();
        assert!(heading.eq_ignore_ascii_case(family.title()), "{heading}: {}", family.title());
        for cause in Cause::ALL.iter().filter(|cause| cause.family() == *family) {
            let code = cause.code();
            let row = format!("| [{code}]({code}.md) | {} |", cause.title());
            assert!(section.lines().any(|line| line == row), "not in docs/causes/README.md: {row}");
        }
        let rows = section.lines().filter_map(|line| line.strip_prefix("| [")?.split_once(']')).map(|(code, _)| code);
        let known = |code: &&str| Cause::parse(code).is_some_and(|cause| cause.family() == *family);
        assert_eq!(rows.filter(|code| !known(code)).collect::<Vec<_>>(), Vec::<&str>::new(), "{heading}");
    }
    assert_eq!(sections.next(), None);
}
