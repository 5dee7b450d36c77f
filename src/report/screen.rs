//! What the words are written on.

use console::Term;
use jiff::tz::TimeZone;

/// What stdout and stderr are, and how they are written on.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Whether stdout is a terminal.
    pub stdout_terminal: bool,
    /// Whether stderr is a terminal.
    pub stderr_terminal: bool,
    /// Whether something may move: both are terminals, and clever ones.
    pub bars: bool,
    /// Whether stdout is coloured.
    pub color_stdout: bool,
    /// Whether stderr is coloured.
    pub color_stderr: bool,
    /// Where the clock on the wall hangs.
    pub zone: TimeZone,
}

impl Screen {
    /// Lines of stdout, where it is a terminal.
    #[must_use]
    pub fn height(&self) -> Option<usize> {
        self.stdout_terminal.then(|| usize::from(Term::stdout().size().0))
    }

    /// Columns of stdout, where it is a terminal: what goes to a file is not broken into lines.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.stdout_terminal.then(|| usize::from(Term::stdout().size().1).clamp(60, 120))
    }
}
