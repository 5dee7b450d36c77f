//! What a terminal shows by itself of Ctrl-C.
//!
//! The `^C` that it writes moves the cursor into the next line, and whoever then takes bars away starts a line too low:
//! one of them stays behind.

/// Keeps the terminal of stderr from showing control characters, until this is dropped.
pub(super) struct NoControlEcho {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl NoControlEcho {
    /// From now on; where it is no terminal nothing is changed.
    pub(super) fn begin() -> Self {
        #[cfg(unix)]
        {
            use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
            let before = tcgetattr(std::io::stderr()).ok();
            if let Some(mut quiet) = before.clone() {
                quiet.local_modes.remove(LocalModes::ECHOCTL);
                // A bar that stays behind is no reason to stop.
                let _ = tcsetattr(std::io::stderr(), OptionalActions::Now, &quiet);
            }
            Self { before }
        }
        #[cfg(not(unix))]
        Self {}
    }
}

#[cfg(unix)]
impl Drop for NoControlEcho {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stderr(), OptionalActions::Now, before);
        }
    }
}
