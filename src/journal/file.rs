//! A journal in a file: appended to, and on the disk before the next act.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    Header,
    read::{self, JournalError},
};
use crate::ports::{Journal, Record};

/// A journal in a file.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
}

impl JournalFile {
    /// Begins the journal of this run, or goes on with it where the file holds the same run already.
    ///
    /// # Errors
    /// When the file cannot be written, is damaged, or is the journal of another run.
    pub fn open(path: &Path, header: &Header) -> Result<Self, JournalError> {
        let at = |error| JournalError::Io { path: path.to_owned(), error };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(at)?;
        }
        let file = OpenOptions::new().append(true).create(true).read(true).open(path).map_err(at)?;
        let mut journal = Self { file, path: path.to_owned() };
        if journal.is_unborn(header).map_err(at)? {
            journal.file.set_len(0).map_err(at)?;
            journal.append(header).map_err(at)?;
            return Ok(journal);
        }
        let recorded = read::read(path)?;
        if recorded.header.run != header.run {
            return Err(JournalError::OtherRun { path: path.to_owned(), run: recorded.header.run });
        }
        if recorded.torn {
            // A line that was cut off would swallow the one that is appended to it.
            journal.file.set_len(recorded.whole_bytes).map_err(at)?;
        }
        Ok(journal)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is empty, or holds no more than the beginning of this header: a crash cut it off.
    fn is_unborn(&mut self, header: &Header) -> io::Result<bool> {
        let line = serde_json::to_vec(header)?;
        let mut begun = Vec::new();
        // One byte more than the header would show that there is more.
        (&mut self.file).take(line.len() as u64 + 1).read_to_end(&mut begun)?;
        Ok(line.starts_with(&begun))
    }

    fn append(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

impl Journal for JournalFile {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        if record.event.is_told() { self.append(record) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{domain::GroupName, ports::Event};

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
}
