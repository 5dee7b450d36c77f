//! What has to be so before a command reaches the cluster, as lines of a shell that can be pasted with it.

use super::fit;

/// One step before a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something to know.
    Say(String),
    /// A command that only some need.
    Perhaps(String),
}

impl Step {
    /// Its lines, which a shell passes over: words are broken to fit the width, a command stands whole.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        match self {
            Self::Say(words) => said(words, width),
            Self::Perhaps(command) => vec![format!("# {command}")],
        }
    }
}

/// Words that a shell passes over.
pub(super) fn said(words: &str, width: usize) -> Vec<String> {
    let lines = fit::wrap(words, width.saturating_sub(2), usize::MAX);
    lines.into_iter().map(|line| format!("# {line}")).collect()
}
