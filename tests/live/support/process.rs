//! Child processes that never outlive the test.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{OnceLock, mpsc};

/// A running child whose output goes to a file; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program; what it says is appended to `NAME.log` in the folder.
    pub fn start(name: &'static str, program: &Path, args: &[String], logs: &Path) -> Self {
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("the log file opens");
        let mut command = tied_to_us(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log file can be shared"))
            .stderr(output);
        let child = spawn(command).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { name, child, log }
    }

    /// Why it is no longer running, with the last lines that it wrote; `None` while it runs.
    pub fn obituary(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("the child can be waited for")?;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        Some(format!("{} ended by itself ({status}):\n{end}", self.name))
    }

    /// Whether it was started under this name.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Lets it stand still, or go on.
    pub fn signal(&self, name: &str) {
        // A shell has `kill` built in; the program of that name is not everywhere.
        let line = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("sh runs");
        assert!(status.success(), "{line}");
    }

    /// Ends it at once, and returns when it is gone.
    pub fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of 127.0.0.1 that nobody uses.
///
/// Below the range from which outgoing connections get theirs: a server that is restarted must find its port free.
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Test programs that run side by side begin at different places.
    let spread = u16::try_from(std::process::id() % 120).expect("below 120") * 100;
    let next = NEXT.get_or_init(|| AtomicU16::new(20_000 + spread));
    loop {
        let port = next.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_700, "no free port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The processes whose command line has the text in it: all that a control plane starts carry its folder.
pub fn processes_that_mention(text: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

/// A command that the kernel kills when we die: then no destructor runs, so dropping is not enough.
pub fn tied_to_us(program: &Path) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    // util-linux has it; where it is missing (macOS), children end by drop alone.
    let has_setpriv = *SETPRIV.get_or_init(|| {
        let try_it = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).stderr(Stdio::null()).status();
        try_it.is_ok_and(|status| status.success())
    });
    if has_setpriv {
        // We may die before setpriv has asked for the signal, so the shell looks whether we still are its parent.
        const UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "sh", "-c", UNLESS_ORPHANED, &std::process::id().to_string()]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Spawns from a thread that lives as long as we do: for the kernel, the parent that dies is the thread, and tests end theirs.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in orders {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).expect("the spawner lives as long as we do");
    answer.recv().expect("the spawner answers each order")
}
