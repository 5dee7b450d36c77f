//! A journal in a file: appended to, and on the disk before the next act.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    Header,
    read::{self, JournalError},
};
use crate::ports::{Event, Journal, Record};

/// A journal in a file.
///
/// It holds whole lines and nothing else at any moment: what could be written of a line that failed is taken back, or
/// the next one would be glued to it and both be lost.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
    /// How many bytes of it are whole lines.
    whole: u64,
    /// Whether more may be there than that: taking it back failed, too.
    torn: bool,
    /// Records that could not be written since the last one that could.
    missing: u32,
}

impl JournalFile {
    /// Whether the journal of this run can be begun or gone on with there, as far as looking tells: nothing is made or
    /// changed, so that this may be asked before the lock of the run is held.
    ///
    /// # Errors
    /// When the file cannot be written, is damaged, or is the journal of another run.
    pub fn look(path: &Path, header: &Header) -> Result<(), JournalError> {
        let at = |error| JournalError::Io { path: path.to_owned(), error };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(at(error)),
            // Before it is opened: a pipe would wait for its reader, and a device be read without an end.
            Ok(known) if !known.is_file() => Err(JournalError::NotAFile { path: path.to_owned() }),
            Ok(_) => {
                let mut file = OpenOptions::new().append(true).read(true).open(path).map_err(at)?;
                content(&mut file, path, header).map(drop)
            }
        }
    }

    /// Begins the journal of this run, or goes on with it where the file holds the same run already.
    ///
    /// To be called once the lock of the run is held: it makes a file, and mends one that was cut off.
    ///
    /// # Errors
    /// When the file cannot be written, is damaged, or is the journal of another run.
    pub fn open(path: &Path, header: &Header) -> Result<Self, JournalError> {
        let at = |error| JournalError::Io { path: path.to_owned(), error };
        Self::look(path, header)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(at)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).read(true).open(path).map_err(at)?;
        let content = content(&mut file, path, header)?;
        let mut journal = Self { file, path: path.to_owned(), whole: 0, torn: false, missing: 0 };
        match content {
            Content::Nothing => {
                journal.take_back().map_err(at)?;
                journal.append(header).map_err(at)?;
            }
            Content::Lines { whole } => {
                journal.whole = whole;
                journal.take_back().map_err(at)?;
            }
        }
        Ok(journal)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a whole line, or nothing of it.
    fn append(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        if self.torn {
            self.take_back()?;
        }
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // Whoever tells the user tells the first reason; where this fails, too, it is tried again.
            drop(self.take_back());
            return Err(error);
        }
        self.whole += line.len() as u64;
        Ok(())
    }

    /// Cuts the file off behind its last whole line.
    fn take_back(&mut self) -> io::Result<()> {
        self.torn = true;
        self.file.set_len(self.whole)?;
        self.torn = false;
        Ok(())
    }

    /// Says in the journal itself that it has a gap: a report would pass over it in silence.
    fn admit_gap(&mut self, at: Timestamp) -> io::Result<()> {
        if self.missing > 0 {
            let message = format!("{} records are missing here: the journal could not be written", self.missing);
            self.append(&Record { at, event: Event::Warning { message } })?;
            self.missing = 0;
        }
        Ok(())
    }
}

/// What a file holds already that is to be the journal of a run.
enum Content {
    /// Nothing, or the beginning of its header: a crash cut it off.
    Nothing,
    /// The run, as far as it is told in so many bytes of whole lines.
    Lines { whole: u64 },
}

fn content(file: &mut File, path: &Path, header: &Header) -> Result<Content, JournalError> {
    let at = |error| JournalError::Io { path: path.to_owned(), error };
    let line = serde_json::to_vec(header).map_err(|error| at(error.into()))?;
    let mut begun = Vec::new();
    // One byte more than the header would show that there is more.
    file.take(line.len() as u64 + 1).read_to_end(&mut begun).map_err(at)?;
    if line.starts_with(&begun) {
        return Ok(Content::Nothing);
    }
    let recorded = read::read(path)?;
    if recorded.header.run != header.run {
        return Err(JournalError::OtherRun { path: path.to_owned(), run: recorded.header.run });
    }
    Ok(Content::Lines { whole: recorded.whole_bytes })
}

impl Journal for JournalFile {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        if !record.event.is_told() {
            return Ok(());
        }
        let written = self.admit_gap(record.at).and_then(|()| self.append(record));
        if written.is_err() {
            self.missing = self.missing.saturating_add(1);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupName;

    fn header(run: &str) -> Header {
        Header::new("prod".into(), GroupName::Nodegroup("apps".into()), run.into())
    }

    fn warning(message: &str) -> Record {
        Record { at: Timestamp::UNIX_EPOCH, event: Event::Warning { message: message.to_owned() } }
    }

    #[test]
    fn a_resumed_run_goes_on_in_its_journal_and_drops_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/run.jsonl");
        let mut journal = JournalFile::open(&path, &header("r1")).unwrap();
        journal.record(&warning("one")).unwrap();
        journal.file.write_all(b"{\"at\":\"1970-01-").unwrap();
        drop(journal);
        JournalFile::open(&path, &header("r1")).unwrap().record(&warning("two")).unwrap();
        let recorded = read::read(&path).unwrap();
        assert_eq!(recorded.records, [warning("one"), warning("two")]);
        assert!(!recorded.torn);
    }

    #[test]
    fn a_header_that_was_cut_off_is_written_again_and_a_stranger_s_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        fs::write(&path, "{\"mngup-jour").unwrap();
        JournalFile::open(&path, &header("r1")).unwrap();
        assert_eq!(read::read(&path).unwrap().header, header("r1"));
        fs::write(&path, "dear diary").unwrap();
        assert!(JournalFile::open(&path, &header("r1")).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
    }

    #[test]
    fn the_journal_of_another_run_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        JournalFile::open(&path, &header("r1")).unwrap();
        let error = JournalFile::open(&path, &header("r2")).unwrap_err();
        assert!(error.to_string().ends_with("run.jsonl is the journal of another run, r1"), "{error}");
    }

    #[test]
    fn a_gap_is_admitted_by_the_journal_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let mut journal = JournalFile::open(&path, &header("r1")).unwrap();
        journal.record(&warning("one")).unwrap();
        // Half a line that could not be taken back, and a file that takes no more: it is open for reading only.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\":\"1970").unwrap();
        let writable = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
        assert!(journal.record(&warning("lost")).is_err());
        assert!(journal.record(&warning("lost, too")).is_err());
        journal.file = writable;
        journal.record(&warning("two")).unwrap();
        let gap = warning("2 records are missing here: the journal could not be written");
        assert_eq!(read::read(&path).unwrap().records, [warning("one"), gap, warning("two")]);
    }

    #[test]
    fn what_is_no_file_is_neither_opened_nor_read() {
        let header = header("r1");
        for path in ["/dev/full", "/dev/zero", "/dev/null", "/"] {
            let error = JournalFile::open(Path::new(path), &header).unwrap_err();
            assert!(matches!(error, JournalError::NotAFile { .. }), "{error}");
        }
    }
}
