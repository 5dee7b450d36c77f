//! Where a run is told: reporters for the form that was asked for, and the journal.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{answer::Stdout, args::Form, error::CliError};
use crate::{
    journal::{self, Header, JournalError, JournalFile, NoJournal},
    ports::Journal,
    report::{Closing, FanOut, Human, JsonDocument, JsonLines, Screen, Streams, Terminal},
};

/// The reporters for this form of answer.
///
/// Programs that read stdout get all of it; people then still read on stderr what goes wrong and how it ended, and
/// with one document at the end also what happens meanwhile.
#[must_use]
pub fn reporters(form: Form, screen: &Screen, closing: Closing, header: &Header, stdout: &Stdout) -> FanOut {
    let aside = Screen { bars: false, color_stdout: screen.color_stderr, ..screen.clone() };
    match form {
        Form::Human if screen.bars => FanOut::new().and(Human::new(Terminal::stderr(), screen, closing)),
        Form::Human => FanOut::new().and(Human::new(Streams::new(stdout.clone(), io::stderr()), screen, closing)),
        Form::Json => {
            FanOut::new().and(Human::new(Streams::stderr(), &aside, closing)).and(JsonDocument::new(stdout.clone()))
        }
        Form::Jsonl => FanOut::new()
            .and(told_as_journal(header, stdout))
            .and(Human::new(Streams::stderr(), &aside, closing).without_facts()),
    }
}

/// The journal on stdout, header and all: kept in a file it can be reported on like the one on the disk.
pub(super) fn told_as_journal(header: &Header, stdout: &Stdout) -> JsonLines<Stdout> {
    let mut stdout = stdout.clone();
    if let Ok(mut line) = serde_json::to_vec(header) {
        line.push(b'\n');
        // What could not be written is remembered by stdout itself.
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
    JsonLines(stdout)
}

/// A journal that is open, or the reason why there is none.
pub struct OpenJournal {
    /// Takes the records.
    pub journal: Box<dyn Journal>,
    /// Where they go.
    pub path: Option<PathBuf>,
    /// Why they go nowhere: worth a warning, and no reason to stop.
    pub warning: Option<String>,
}

/// Opens the journal where the user wants it, or else where journals live; to be called with the run's lock in hand.
///
/// # Errors
/// When the place that the user named cannot be used: who names one wants to have it, and nothing of the group was
/// touched yet. Without a name the run goes on, and the warning says why: the journal explains and is never needed.
pub fn open_journal(wanted: Option<&Path>, header: &Header) -> Result<OpenJournal, CliError> {
    match wanted {
        None => Ok(usual_journal(header)),
        Some(path) => {
            let journal = JournalFile::open(path, header).map_err(unusable)?;
            Ok(OpenJournal { journal: Box::new(journal), path: Some(path.to_owned()), warning: None })
        }
    }
}

/// Whether a journal can be written where the user wants it, as far as looking tells; nothing is made or changed.
///
/// # Errors
/// When it cannot: better said before anybody is asked for a yes.
pub fn check_journal(wanted: Option<&Path>, header: &Header) -> Result<(), CliError> {
    wanted.map_or(Ok(()), |path| JournalFile::look(path, header).map_err(unusable))
}

fn unusable(error: JournalError) -> CliError {
    let error = match error {
        JournalError::Io { path, error } => {
            CliError::usage(format!("the journal {} cannot be written", path.display())).because(error)
        }
        error @ (JournalError::NotAFile { .. }
        | JournalError::NotAJournal { .. }
        | JournalError::Newer { .. }
        | JournalError::Damaged { .. }
        | JournalError::OtherRun { .. }) => return error.into(),
    };
    error.next("name another file, or leave --journal out: then it goes where journals live")
}

/// Opens the journal where journals live, or says why there is none.
#[must_use]
pub fn usual_journal(header: &Header) -> OpenJournal {
    let nowhere = |why: String| OpenJournal {
        journal: Box::new(NoJournal),
        path: None,
        warning: Some(format!("no journal is written, and mngup report will have nothing to tell: {why}")),
    };
    let Some(home) = journal::state_home(|name| std::env::var_os(name)) else {
        return nowhere("neither XDG_STATE_HOME nor HOME is set".to_owned());
    };
    let path = journal::path_in(&home, header);
    match JournalFile::open(&path, header) {
        Ok(journal) => OpenJournal { journal: Box::new(journal), path: Some(path), warning: None },
        Err(JournalError::Io { path, error }) => nowhere(format!("{}: {error}", path.display())),
        Err(
            error @ (JournalError::NotAFile { .. }
            | JournalError::NotAJournal { .. }
            | JournalError::Newer { .. }
            | JournalError::Damaged { .. }
            | JournalError::OtherRun { .. }),
        ) => nowhere(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupName;

    #[test]
    fn a_journal_that_was_asked_for_and_cannot_be_written_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let header = Header::new("prod".into(), GroupName::Nodegroup("apps".into()), "r1".into());
        assert!(open_journal(Some(&blocked.join("run.jsonl")), &header).is_err());
        let open = open_journal(Some(&folder.path().join("run.jsonl")), &header).unwrap();
        assert!(open.path.is_some() && open.warning.is_none());
    }
}
