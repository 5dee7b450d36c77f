//! The AWS CLI, which nobody here wrote, and what a test does where it is not installed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether `aws` is there; says once that it is not, and panics then where `MNGUP_REQUIRE_LIVE` is set.
pub fn is_there() -> bool {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    *IS_THERE.get_or_init(|| {
        let asked = Command::new("aws").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let is_there = asked.is_ok_and(|status| status.success());
        let required = std::env::var_os("MNGUP_REQUIRE_LIVE").is_some_and(|value| !value.is_empty() && value != "0");
        assert!(is_there || !required, "MNGUP_REQUIRE_LIVE is set, but there is no aws in PATH: pip install awscli");
        if !is_there {
            // Written to the stream itself: what the print macros write is hidden when a test passes.
            let _ = writeln!(
                std::io::stderr(),
                "\n*** SKIPPED: commands for the AWS CLI are not run, for there is no aws in PATH (pip install awscli)\n"
            );
        }
        is_there
    })
}

/// What a line of the AWS CLI prints in a shell with this environment, or its complaint.
pub fn shell(env: &[(String, String)], folder: &Path, line: &str) -> Result<String, String> {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", line]).current_dir(folder).stdin(Stdio::null());
    // What a line writes into a file, a later one reads; whoever runs the tests has nothing to do with it.
    shell.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN").env("AWS_PAGER", "");
    for (name, value) in env {
        shell.env(name, value);
        // The first version of the CLI knows the region by another name than everybody else.
        if name == "AWS_REGION" {
            shell.env("AWS_DEFAULT_REGION", value);
        }
    }
    let output = shell.output().expect("sh runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
