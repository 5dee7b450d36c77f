//! What a terminal shows by itself of keys that are pressed.
//!
//! Whatever it writes moves the cursor (Enter, and the `^C` of Ctrl-C, into another line), and whoever then takes bars
//! away starts a line too low: one of them stays behind.

#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};

/// Keeps a terminal from showing keys, until this is dropped: at the end of the run, and when a panic unwinds.
///
/// Keys still do what they do: Ctrl-C stops, and what was typed is there for the shell afterwards.
pub(super) struct NoEcho {
    #[cfg(unix)]
    before: Option<(OwnedFd, rustix::termios::Termios)>,
}

impl NoEcho {
    /// The terminal of stderr, from now on; where that is none nothing is changed.
    pub(super) fn stderr() -> Self {
        #[cfg(unix)]
        {
            Self::on(std::io::stderr())
        }
        #[cfg(not(unix))]
        Self {}
    }

    #[cfg(unix)]
    fn on(terminal: impl AsFd) -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let terminal = terminal.as_fd();
        let before = terminal.try_clone_to_owned().ok().zip(tcgetattr(terminal).ok());
        if let Some((_, before)) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ECHOCTL);
            // A bar that stays behind is no reason to stop.
            let _ = tcsetattr(terminal, OptionalActions::Now, &quiet);
        }
        Self { before }
    }
}

#[cfg(unix)]
impl Drop for NoEcho {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some((terminal, before)) = &self.before {
            let _ = tcsetattr(terminal, OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        fs::File,
        io::{BufRead, BufReader, Read, Write},
        os::fd::AsFd,
    };

    use rustix::{
        fs::{Mode, OFlags, open},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    use super::*;

    /// A terminal: its keys and screen, and what a program has of it.
    struct Desk {
        outside: File,
        inside: File,
    }

    impl Desk {
        fn new() -> Self {
            let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&outside).unwrap();
            unlockpt(&outside).unwrap();
            let name = ptsname(&outside, Vec::new()).unwrap();
            let inside = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
            Self { outside: outside.into(), inside: inside.into() }
        }

        /// What the screen shows when this line is typed, Enter with it, before a program writes.
        fn shows(&mut self, line: &str) -> String {
            write!(self.outside, "{line}\r").unwrap();
            // Read is only what the terminal has dealt with.
            assert!(self.inside.read(&mut [0; 80]).unwrap() > 0);
            self.inside.write_all(b"|").unwrap();
            let mut shown = Vec::new();
            BufReader::new(&self.outside).read_until(b'|', &mut shown).unwrap();
            String::from_utf8(shown).unwrap().trim_end_matches('|').to_owned()
        }
    }

    #[test]
    fn keys_leave_no_trace_on_the_screen_while_bars_are_there_and_do_afterwards() {
        let mut desk = Desk::new();
        assert_eq!(desk.shows(""), "\r\n");
        let quiet = NoEcho::on(desk.inside.as_fd());
        assert_eq!(desk.shows(""), "");
        assert_eq!(desk.shows("\u{3}\u{1b}[Ahello"), "");
        drop(quiet);
        assert_eq!(desk.shows("hello"), "hello\r\n");
    }

    #[test]
    fn a_fault_leaves_the_terminal_as_it_was() {
        let mut desk = Desk::new();
        let terminal = desk.inside.try_clone().unwrap();
        let fault = std::panic::catch_unwind(move || {
            let _quiet = NoEcho::on(terminal.as_fd());
            std::panic::resume_unwind(Box::new("a fault"));
        });
        assert!(fault.is_err());
        assert_eq!(desk.shows(""), "\r\n");
    }
}
