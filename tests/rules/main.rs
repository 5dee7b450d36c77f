//! The rules of a rolling upgrade, one test each, as they are written in `docs/rules.md`.
#![expect(clippy::wildcard_imports, reason = "tests speak the whole language of the domain")]
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod budget;
mod drain;
mod order;
mod resume;
mod scene;
mod stop;
