//! The next command, so that it can be pasted.

use std::path::Path;

/// How the user reached this group, to be repeated in every command that goes on from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    flags: Vec<String>,
    sandbox: bool,
}

impl Commands {
    /// Commands for a real group; `flags` are those that point at it.
    #[must_use]
    pub fn new(flags: Vec<String>) -> Self {
        Self { flags, sandbox: false }
    }

    /// Commands for a simulated world, which ends with the process: there is nothing to go on with.
    #[must_use]
    pub fn sandbox(world: Option<&Path>) -> Self {
        let flag = match world {
            None => vec!["--sandbox".to_owned()],
            Some(path) => vec!["--sandbox".to_owned(), path.to_string_lossy().into_owned()],
        };
        Self { flags: flag, sandbox: true }
    }

    /// Whether a run that stops can be gone on with.
    #[must_use]
    pub fn resumable(&self) -> bool {
        !self.sandbox
    }

    /// `mngup upgrade …`, with more flags behind.
    #[must_use]
    pub fn upgrade(&self, more: &str) -> String {
        let line = self.line("upgrade");
        if more.is_empty() { line } else { format!("{line} {more}") }
    }

    /// `mngup status …`
    #[must_use]
    pub fn status(&self) -> String {
        self.line("status")
    }

    /// `mngup abort …`
    #[must_use]
    pub fn abort(&self) -> String {
        self.line("abort")
    }

    /// `mngup report JOURNAL`, without the journal where it is the newest anyway.
    #[must_use]
    pub fn report(journal: Option<&Path>) -> String {
        match journal {
            Some(path) => format!("mngup report {}", quoted(&path.to_string_lossy())),
            None => "mngup report".to_owned(),
        }
    }

    /// `mngup COMMAND …`
    #[must_use]
    pub fn line(&self, command: &str) -> String {
        let words = ["mngup", command].into_iter().map(str::to_owned).chain(self.flags.iter().map(|flag| quoted(flag)));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_split_is_quoted() {
        assert_eq!(quoted("apps"), "apps");
        assert_eq!(quoted("my workers"), "'my workers'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
