//! The answer of a command, on stdout: written whole, or said not to be.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use super::{error::CliError, exit_code::ExitCode};

/// Writes the answer of a command that is over with it.
///
/// # Errors
/// When not all of it could be written: a script must not take half an answer for one.
pub(super) fn answer(text: &str) -> Result<(), CliError> {
    let mut stdout = Stdout::default();
    // The first error is remembered by stdout itself.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    stdout.written()
}

/// The same for programs, as a document on lines of its own.
///
/// # Errors
/// As [`answer`].
pub(super) fn answer_json(document: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(document).map_err(unwritable)?;
    answer(&(text + "\n"))
}

/// The same on one line.
///
/// # Errors
/// As [`answer`].
pub(super) fn answer_json_line(document: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(document).map_err(unwritable)?;
    answer(&(text + "\n"))
}

fn unwritable(error: serde_json::Error) -> CliError {
    CliError::new(ExitCode::Unexpected, "the answer cannot be written as JSON").because(error)
}

/// Says something to whoever sits there; a terminal that went away is no reason to fail.
pub(super) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Stdout for as long as a run lasts: nodes must not be left half way because nobody can read, so that a failure only
/// counts when the run is over.
#[derive(Clone, Debug, Default)]
pub struct Stdout {
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Stdout {
    /// How a command ends that came so far: what it has to say about itself stands before a lost answer.
    pub(super) fn settle(&self, code: ExitCode, again: &str) -> Result<ExitCode, CliError> {
        let Some(error) = self.failed() else { return Ok(code) };
        let error = unwritten(error).next(format!("{again}   # tells it again"));
        match (code, error.code()) {
            (ExitCode::Done, _) => Err(error),
            // Whoever closed the pipe knows.
            (code, ExitCode::NobodyReads) => Ok(code),
            (code, _) => {
                tell(&error.to_string());
                Ok(code)
            }
        }
    }

    /// Whether all of it was written so far.
    ///
    /// # Errors
    /// When it was not.
    pub(super) fn written(&self) -> Result<(), CliError> {
        self.failed().map_or(Ok(()), |error| Err(unwritten(error)))
    }

    fn failed(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn watch<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done
            && error.kind() != io::ErrorKind::Interrupted
        {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| io::Error::new(error.kind(), error.to_string()));
        }
        done
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.watch(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.watch(io::stdout().flush())
    }
}

/// The failure that it is when an answer could not be written.
pub(super) fn unwritten(error: io::Error) -> CliError {
    let closed = error.kind() == io::ErrorKind::BrokenPipe;
    let code = if closed { ExitCode::NobodyReads } else { ExitCode::Unexpected };
    CliError::new(code, "the answer could not be written to stdout").because(error)
}
