//! `cargo bench`: the engine alone, the diagnosis alone, and mngup beside `kubectl drain` by hand on a real control plane.
//!
//! It prints Markdown and asserts nothing about time. `cargo bench -- engine` (or `diagnose`, `contest`) does one part.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark fails by panicking, in its helpers too")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::wildcard_imports,
    reason = "what is made for a call may be given to it"
)]
#![allow(unreachable_pub, reason = "the support modules mark what they offer to the tests")]

mod cluster;
mod contest;
mod diagnosis;
mod engine;
mod markdown;
mod runbook;
#[path = "../live/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "tests/live has this module too; each uses a part of it")]
mod support;

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("mngup {}, {} cores, {}\n", env!("CARGO_PKG_VERSION"), cores, std::env::consts::ARCH);
    if wanted("engine") {
        engine::run();
    }
    if wanted("diagnose") {
        diagnosis::run();
    }
    if wanted("contest") {
        contest::run();
    }
}
