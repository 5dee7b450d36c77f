//! Reads a journal, of a run that ended or still goes on.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use super::header::{Header, JOURNAL_VERSION};
use crate::{domain::RunId, ports::Record};

/// More than any header has: cluster, group and run are names of at most 255 letters.
const LONGEST_HEADER: u64 = 64 * 1024;

/// All that a journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Whose it is.
    pub header: Header,
    /// What happened.
    pub records: Vec<Record>,
    /// Whether the last line was cut off, by a crash or because it is being written.
    pub torn: bool,
    /// How many bytes of it are whole lines.
    pub whole_bytes: u64,
}

/// Why a journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("cannot use the journal {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is a folder, a device or a pipe, of which no line could be taken back.
    #[error("{} is no plain file, so no journal can be kept there", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The first line is not a journal's.
    #[error("{} is not a journal of mngup: {what}", path.display())]
    NotAJournal {
        /// Which file.
        path: PathBuf,
        /// What is wrong with the first line.
        what: String,
    },
    /// A newer mngup wrote it.
    #[error("{} was written by a newer mngup (journal version {version}; this one knows {JOURNAL_VERSION})", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A line in it makes no sense.
    #[error("{} line {line} is damaged: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// It belongs to another run.
    #[error("{} is the journal of another run, {run}", path.display())]
    OtherRun {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        run: RunId,
    },
}

/// Reads a journal file.
///
/// # Errors
/// Says which file and line, and what is wrong there.
pub fn read(path: &Path) -> Result<Recorded, JournalError> {
    let at = |error| JournalError::Io { path: path.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(at)?);
    let mut bytes = Vec::new();
    // A file without an end, or one of another kind, shows before all of it is held in memory.
    file.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut bytes).map_err(at)?;
    header(path, bytes.strip_suffix(b"\n").unwrap_or(&bytes))?;
    file.read_to_end(&mut bytes).map_err(at)?;
    parse(path, &bytes)
}

/// Reads a journal's bytes; `path` is named in errors.
///
/// # Errors
/// Says which line, and what is wrong there.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Recorded, JournalError> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    // What follows the last line end is a line that was cut off: the crash that did it is no damage.
    let mut lines = bytes[..whole.saturating_sub(1)].split(|byte| *byte == b'\n');
    let header = header(path, lines.next().unwrap_or_default())?;
    let mut records = Vec::new();
    for (index, line) in lines.enumerate() {
        if is_header_of(line, &header) {
            continue;
        }
        let record = serde_json::from_slice(line).map_err(|error| JournalError::Damaged {
            path: path.to_owned(),
            line: index + 2,
            what: reason(line, &error),
        })?;
        records.push(record);
    }
    Ok(Recorded { header, records, torn: whole < bytes.len(), whole_bytes: whole as u64 })
}

/// Whether this line begins the same run's journal anew, as where stdout of several commands went to one file.
fn is_header_of(line: &[u8], first: &Header) -> bool {
    let known = |header: Header| (header.run == first.run) && header.journal == first.journal;
    // Records are by far the more: they are not read twice.
    line.starts_with(br#"{"mngup-journal""#) && serde_json::from_slice(line).is_ok_and(known)
}

fn header(path: &Path, line: &[u8]) -> Result<Header, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(rename = "mngup-journal")]
        version: u32,
    }
    let not = |what: String| JournalError::NotAJournal { path: path.to_owned(), what };
    if line.is_empty() {
        return Err(not("its first line is empty".to_owned()));
    }
    let read: Version = serde_json::from_slice(line)
        .map_err(|error| not(format!("its first line is no header: {}", reason(line, &error))))?;
    if read.version > JOURNAL_VERSION {
        return Err(JournalError::Newer { path: path.to_owned(), version: read.version });
    }
    serde_json::from_slice(line).map_err(|error| not(format!("its first line is no header: {}", reason(line, &error))))
}

/// What serde says, with the place in the line instead of a "line 1" that would mislead.
fn reason(line: &[u8], error: &serde_json::Error) -> String {
    if line.is_empty() {
        return "it is empty".to_owned();
    }
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or(&said);
    // A list of every event there is helps nobody.
    let what = what.split(", expected one of").next().unwrap_or(what);
    format!("{what} (column {})", error.column())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const HEADER: &str =
        r#"{"mngup-journal":1,"version":"0.1.0","cluster":"prod","group":{"nodegroup":"apps"},"run":"r1"}"#;
    const STOP: &str = r#"{"at":"2026-11-21T09:14:02Z","event":"stop-requested"}"#;

    fn read(text: &str) -> Result<Recorded, JournalError> {
        parse(Path::new("run.jsonl"), text.as_bytes())
    }

    #[test]
    fn a_torn_last_line_is_no_damage() {
        let recorded = read(&format!("{HEADER}\n{STOP}\n{}", &STOP[..20])).unwrap();
        assert_eq!((recorded.records.len(), recorded.torn), (1, true));
        let recorded = read(&format!("{HEADER}\n{STOP}\n")).unwrap();
        assert_eq!((recorded.records.len(), recorded.torn), (1, false));
        assert_eq!(read(&format!("{HEADER}\n")).unwrap().records, []);
    }

    #[test]
    fn what_several_commands_told_of_one_run_is_one_journal() {
        let recorded = read(&format!("{HEADER}\n{STOP}\n{HEADER}\n{STOP}\n")).unwrap();
        assert_eq!(recorded.records.len(), 2);
        let other = HEADER.replace("r1", "r2");
        let error = read(&format!("{HEADER}\n{STOP}\n{other}\n")).unwrap_err().to_string();
        assert_snapshot!(error, @"run.jsonl line 3 is damaged: missing field `at` (column 94)");
    }

    #[test]
    fn a_file_without_an_end_is_given_up_after_what_should_be_its_header() {
        let error = super::read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_snapshot!(error, @"/dev/zero is not a journal of mngup: its first line is no header: expected value (column 1)");
    }

    #[test]
    fn damage_is_named_with_file_line_and_what_is_wrong() {
        let error = |text: String| read(&text).unwrap_err().to_string();
        assert_snapshot!(error(format!("{HEADER}\n{STOP}\n{}\n{STOP}\n", &STOP[..20])), @"run.jsonl line 3 is damaged: EOF while parsing a string (column 20)");
        assert_snapshot!(error(format!("{HEADER}\n{STOP}\n\n{STOP}\n")), @"run.jsonl line 3 is damaged: it is empty");
        assert_snapshot!(error(format!("{HEADER}\n{}\n", STOP.replace("stop-", "start-"))), @"run.jsonl line 2 is damaged: unknown variant `start-requested` (column 55)");
        assert_snapshot!(error(format!("{HEADER}\n\u{0}\u{0}\n")), @"run.jsonl line 2 is damaged: expected value (column 1)");
        assert_snapshot!(error(String::new()), @"run.jsonl is not a journal of mngup: its first line is empty");
        assert_snapshot!(error("hello\n".to_owned()), @"run.jsonl is not a journal of mngup: its first line is no header: expected value (column 1)");
        assert_snapshot!(error("{}\n".to_owned()), @"run.jsonl is not a journal of mngup: its first line is no header: missing field `mngup-journal` (column 2)");
        assert_snapshot!(error(HEADER.replace(":1,", ":2,") + "\n"), @"run.jsonl was written by a newer mngup (journal version 2; this one knows 1)");
    }
}
