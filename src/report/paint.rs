//! Colour, where there may be some.

use owo_colors::OwoColorize;

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint(pub(super) bool);

/// How good the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A step of many.
    Plain,
    /// A node or a run is done.
    Good,
    /// Somebody should look.
    Warn,
    /// It does not go on.
    Bad,
}

impl Paint {
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        match (self.0, tone) {
            (false, _) | (true, Tone::Plain) => text.to_owned(),
            (true, Tone::Good) => text.green().to_string(),
            (true, Tone::Warn) => text.yellow().to_string(),
            (true, Tone::Bad) => text.red().bold().to_string(),
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        if self.0 { text.bold().to_string() } else { text.to_owned() }
    }

    pub(super) fn dim(self, text: &str) -> String {
        if self.0 { text.dimmed().to_string() } else { text.to_owned() }
    }
}
