//! Where words are written: two streams, and on a terminal something that moves below them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::echo::NoEcho;

/// Where words are written.
pub trait Paper: Send {
    /// A line of the answer, for stdout.
    fn answer(&mut self, line: &str);

    /// A line of the conversation, for stderr.
    fn talk(&mut self, line: &str);

    /// Whether something may move below the lines, and how wide and high it may be.
    fn room(&self) -> Option<(usize, usize)> {
        None
    }

    /// Draws what moves.
    fn draw(&mut self, _lines: &[String]) {}

    /// Takes what moves away.
    fn clear(&mut self) {}
}

/// Stdout and stderr, or any two other streams.
pub struct Streams {
    answer: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
}

impl Streams {
    /// The process's own.
    #[must_use]
    pub fn std() -> Self {
        Self::new(io::stdout(), io::stderr())
    }

    /// All of it on stderr: stdout belongs to something else.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(io::stderr(), io::stderr())
    }

    /// These two.
    pub fn new(answer: impl Write + Send + 'static, talk: impl Write + Send + 'static) -> Self {
        Self { answer: Box::new(answer), talk: Box::new(talk) }
    }
}

impl Paper for Streams {
    fn answer(&mut self, line: &str) {
        // Nodes must not be left half way because nobody reads on: a closed pipe is no reason to stop.
        let _ = writeln!(self.answer, "{line}");
    }

    fn talk(&mut self, line: &str) {
        let _ = writeln!(self.talk, "{line}");
    }
}

/// A terminal, with something that moves below the lines.
pub struct Terminal {
    streams: Streams,
    term: Term,
    bar: ProgressBar,
    _quiet: NoEcho,
}

impl Terminal {
    /// Redraws a second: enough to look alive, and readable over a slow line.
    const REDRAWS: u8 = 8;

    /// The one that stderr is connected to.
    #[must_use]
    pub fn stderr() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(Self::REDRAWS));
        // The message is drawn by us, line for line; a template that does not parse would only lose the style.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { streams: Streams::std(), term: Term::stderr(), bar, _quiet: NoEcho::stderr() }
    }
}

impl Paper for Terminal {
    fn answer(&mut self, line: &str) {
        self.bar.suspend(|| self.streams.answer(line));
    }

    fn talk(&mut self, line: &str) {
        self.bar.suspend(|| self.streams.talk(line));
    }

    fn room(&self) -> Option<(usize, usize)> {
        let (height, width) = self.term.size();
        // The last column is left free: some terminals wrap when it is written to. Very long lines are hard to read.
        Some((usize::from(width).saturating_sub(1).clamp(40, 120), usize::from(height).saturating_sub(1).max(2)))
    }

    fn draw(&mut self, lines: &[String]) {
        self.bar.set_message(lines.join("\n"));
    }

    fn clear(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Keeps what was written, for tests and for those who print it elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Notes {
    /// What was written so far; the conversation is marked with `2> `.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn note(&self, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Paper for Notes {
    fn answer(&mut self, line: &str) {
        self.note(line.to_owned());
    }

    fn talk(&mut self, line: &str) {
        self.note(format!("2> {line}"));
    }
}
