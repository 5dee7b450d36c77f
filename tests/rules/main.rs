//! The rules of a rolling upgrade, one test each, as they are written in `docs/rules.md`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::default_trait_access,
    clippy::single_match_else,
    clippy::unused_self,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod budget;
mod drain;
mod endings;
mod force;
mod order;
mod others;
mod resume;
mod scene;
mod stop;
mod troubles;
