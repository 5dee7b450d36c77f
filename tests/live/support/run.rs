//! The program under test, as a process.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process;

/// A running mngup; it is killed when this is dropped.
pub struct Running {
    child: Child,
    folder: TempDir,
    began: Instant,
}

/// A mngup that ended.
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote on stdout.
    pub stdout: String,
    /// All that it wrote on stderr.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
    folder: TempDir,
}

impl Running {
    /// Starts it with these arguments, this environment and no other, and a home folder of its own, without a terminal.
    pub fn start(args: &[&str], env: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a new folder");
        let file = |name: &str| File::create(folder.path().join(name)).expect("a new file");
        let mut command = process::tied_to_us(Path::new(env!("CARGO_BIN_EXE_mngup")));
        command
            .args(args)
            .env_clear()
            // setpriv is looked for.
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("HOSTNAME", "test-machine")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"));
        let child = process::spawn(command).expect("mngup starts");
        Self { child, folder, began: Instant::now() }
    }

    /// What it has written on stdout so far.
    pub fn stdout(&self) -> String {
        read(&self.folder, "stdout")
    }

    /// What it has written on stderr so far.
    pub fn stderr(&self) -> String {
        read(&self.folder, "stderr")
    }

    /// Every file in its home folder, as text.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        files(self.folder.path().join("home"))
    }

    /// The most memory that it has had in use so far, in KiB; none where the kernel does not tell.
    #[allow(dead_code, reason = "for the benchmark")]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child can be waited for").is_none()
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Lets it stand still, as on a laptop that sleeps.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after that.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends it as a machine that loses its power does.
    pub fn kill(mut self) -> Ended {
        self.child.kill().expect("it still runs, or nobody has asked yet how it ended");
        self.wait(Duration::from_secs(10))
    }

    /// Waits until it ends by itself; panics, with what it said, when it does not.
    pub fn wait(mut self, timeout: Duration) -> Ended {
        let deadline = self.began.elapsed() + timeout;
        while self.is_running() {
            assert!(
                self.began.elapsed() < deadline,
                "mngup still runs after {timeout:?}\n{}\n{}",
                self.stdout(),
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = self.began.elapsed();
        let code = self.child.wait().expect("it has ended").code();
        let (stdout, stderr) = (self.stdout(), self.stderr());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder"));
        Ended { code, stdout, stderr, took, folder }
    }

    /// Waits until it has said this on stdout or stderr.
    pub fn wait_until_said(&mut self, text: &str, timeout: Duration) {
        let began = Instant::now();
        loop {
            let said = format!("{}{}", self.stdout(), self.stderr());
            if said.contains(text) {
                return;
            }
            assert!(self.is_running(), "mngup ended without saying {text:?}:\n{said}");
            assert!(began.elapsed() < timeout, "mngup did not say {text:?} within {timeout:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        // A shell has `kill` built in; the program of that name is not everywhere.
        let line = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("sh runs");
        assert!(status.success(), "{line}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Its home folder, with the journal below `state/`.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Every file in its home folder, as text.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        files(self.home())
    }
}

/// For the message of an assertion.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, took, .. } = self;
        writeln!(f, "mngup ended with {code:?} after {took:?}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}

fn read(folder: &TempDir, name: &str) -> String {
    let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn files(home: PathBuf) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![home];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    found
}
