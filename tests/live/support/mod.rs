//! What live tests stand on: a real control plane, and waiting for states.

mod audit;
#[allow(dead_code, unused_imports, reason = "tests/aws_wire has this module too; each uses a part of it")]
pub mod aws;
pub mod aws_cli;
mod bed;
mod binaries;
pub mod checks;
mod control_plane;
pub mod diagnose;
pub mod facts;
mod files;
pub mod kubelet;
pub mod printed;
mod process;
mod run;
mod sampler;
mod slots;
pub mod volumes;
pub mod webhook;
pub mod workloads;

use std::time::{Duration, Instant};

pub use audit::AuditEntry;
#[allow(unused_imports, reason = "the benchmark has this module too; each uses a part of it")]
pub use bed::{Bed, BedOptions, COLLEAGUE, PERSON, READER, USER};
pub use control_plane::{ControlPlane, Options, User};
pub use process::{free_port, processes_that_mention};
pub use run::{Ended, Running};
pub use sampler::{Sampler, Seen};

/// Asks again and again until the probe gives an answer; panics after the time, saying what did not come about.
pub fn eventually<T>(timeout: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < timeout, "not within {timeout:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
