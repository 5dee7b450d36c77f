//! Who may use whom: the table of `docs/architecture.md`, held.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Left may use right, and nothing else of this crate. `None`: everything.
const MAY_USE: &[(&str, Option<&[&str]>)] = &[
    ("domain", Some(&[])),
    ("drain", Some(&["domain"])),
    ("plan", Some(&["domain"])),
    ("engine", Some(&["domain", "plan", "drain"])),
    ("diagnose", Some(&["domain", "plan", "drain", "engine"])),
    // The engine's words for events and effects; never its rules, which `ENGINE_WORDS` below holds.
    ("ports", Some(&["domain", "engine"])),
    ("adapters", Some(&["ports", "domain"])),
    ("journal", Some(&["ports", "domain"])),
    ("sim", Some(&["ports", "domain"])),
    ("forecast", Some(&["domain", "engine", "plan", "sim", "diagnose"])),
    ("report", Some(&["domain", "engine", "diagnose"])),
    ("app", Some(&["domain", "drain", "plan", "engine", "diagnose", "ports", "journal", "report"])),
    ("cli", None),
];

/// Rooms that may speak of the engine only through these of its modules.
const ENGINE_WORDS: &[&str] = &["effect", "event", "phase", "waiting"];

/// Rooms without IO, clock or randomness, and what would bring them in.
const PURE: &[&str] = &["domain", "drain", "plan", "engine", "diagnose"];
const IMPURE: &[&str] = &[
    "tokio::",
    "kube::",
    "k8s_openapi::",
    "aws_",
    "std::fs",
    "std::net",
    "std::env",
    "::now()",
    "rand::",
    "SystemTime",
    "Instant",
];

#[test]
fn rooms_use_only_those_they_may() {
    let rules: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut broken = BTreeSet::new();
    for (room, file, text) in sources() {
        let Some(rule) = rules.get(room.as_str()) else { panic!("src/{room} is in no rule: give it one") };
        let Some(allowed) = rule else { continue };
        for used in rooms_used(&text) {
            if used != room && rules.contains_key(used.as_str()) && !allowed.contains(&used.as_str()) {
                broken.insert(format!("{}: {room} uses {used}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn ports_and_reports_know_the_engines_words_and_not_its_rules() {
    let mut broken = BTreeSet::new();
    for (room, file, text) in sources().into_iter().filter(|(room, ..)| ["ports", "report"].contains(&room.as_str())) {
        for word in named_after(&text, "engine::") {
            if !ENGINE_WORDS.contains(&word.as_str()) {
                broken.insert(format!("{}: {room} uses engine::{word}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_core_has_no_io_no_clock_and_no_randomness() {
    let mut broken = BTreeSet::new();
    for (room, file, text) in sources() {
        if !PURE.contains(&room.as_str()) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                broken.insert(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Room, file and text of every source file in a room.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap().to_path_buf();
                if inside.components().count() > 1 {
                    let room = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
                    let text = fs::read_to_string(&path).unwrap();
                    found.push((room, inside, text));
                }
            }
        }
    }
    assert!(found.len() > 30, "the sources were not found");
    found
}

/// Rooms named after `crate::` in `use` and in paths.
fn rooms_used(text: &str) -> BTreeSet<String> {
    named_after(text, "crate::")
}

/// What is named after this prefix in code, groups in braces included.
fn named_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut named = BTreeSet::new();
    for rest in code.split(prefix).skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(group) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => named.extend(Some(word(std::mem::take(&mut item).trim()))),
                _ => {}
            }
            if depth == 0 && c != ',' {
                item.push(c);
            }
        }
        named.insert(word(item.trim()));
    }
    // Behind the last comma of a group nothing is named.
    named.remove("");
    named
}

#[test]
fn what_is_named_in_braces_is_found() {
    let named = |text: &str| named_after(text, "engine::").into_iter().collect::<Vec<_>>();
    assert_eq!(named("use crate::engine::event::Event;"), ["event"]);
    assert_eq!(named("use crate::engine::{choose, Rollout};"), ["Rollout", "choose"]);
    let nested = "use crate::{\n    domain::Node,\n    engine::{\n        event::{Event, Record},\n        waiting::WaitingOn,\n    },\n};";
    assert_eq!(named(nested), ["event", "waiting"]);
    assert_eq!(named("fn f() { crate::engine::choose::next(); } // engine::tidy"), ["choose"]);
    assert_eq!(
        rooms_used("use crate::{domain::{Node, Pod}, engine};").into_iter().collect::<Vec<_>>(),
        ["domain", "engine"]
    );
}
