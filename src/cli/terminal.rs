//! What stdout and stderr are connected to.

use std::io::{IsTerminal, stderr, stdin, stdout};

use super::args::When;
use crate::report::Screen;

/// Finds out what is there, and whether to colour it.
#[must_use]
pub(super) fn screen(color: When) -> Screen {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    // https://no-color.org: present and not empty.
    let no_color = dumb || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colored = |terminal: bool| match color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && !no_color,
    };
    let (out, err) = (stdout().is_terminal(), stderr().is_terminal());
    Screen {
        stdout_terminal: out,
        stderr_terminal: err,
        bars: out && err && !dumb,
        color_stdout: colored(out),
        color_stderr: colored(err),
        zone: jiff::tz::TimeZone::system(),
    }
}

/// Whether somebody can be asked.
#[must_use]
pub(super) fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}
