//! Where the programs of the control plane are, and what a test does when they are not there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

const BUILD: &str = "tests/control-plane/build.sh";

static SAID: Once = Once::new();

/// The folder of programs that `tests/control-plane/build.sh` built.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The programs, or `None` when they were not built; a panic then where `MNGUP_REQUIRE_LIVE` is set.
    pub fn find() -> Option<Self> {
        let folder = folder();
        if folder.is_dir() {
            return Some(Self { folder });
        }
        let required = std::env::var_os("MNGUP_REQUIRE_LIVE").is_some_and(|value| !value.is_empty() && value != "0");
        assert!(
            !required,
            "MNGUP_REQUIRE_LIVE is set, but the control plane is not built ({} is not there). Build it with: {BUILD}",
            folder.display()
        );
        SAID.call_once(|| {
            // Written to the stream itself: what the print macros write is hidden when a test passes.
            let _ = writeln!(
                std::io::stderr(),
                "\n*** LIVE TESTS SKIPPED: the control plane is not built. Build it (some 6 minutes, once) with: {BUILD}\n"
            );
        });
        None
    }

    /// One of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The script alone knows how the folder is named, so it is asked.
fn folder() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILD);
    let output = Command::new("bash").arg(&script).arg("--where").output().expect("bash runs");
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("the folder's name is UTF-8").trim_end())
}
