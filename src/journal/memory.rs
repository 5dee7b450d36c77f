//! Journals without a disk.

use std::io;

use crate::ports::{Journal, Record};

/// Keeps the records, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    /// What was recorded so far.
    pub records: Vec<Record>,
}

impl Journal for MemoryJournal {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        if record.event.is_told() {
            self.records.push(record.clone());
        }
        Ok(())
    }
}

/// Keeps nothing: for a machine without a place to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn record(&mut self, _: &Record) -> io::Result<()> {
        Ok(())
    }
}
