//! For programs: each record as one line, or one document at the end.

use std::io::Write;

use super::{history::History, reporter::Reporter, summary::Summary};
use crate::{
    domain::{ClusterName, GroupName},
    engine::event::Record,
};

/// Writes each record as one line of JSON.
pub struct JsonLines<W>(pub W);

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn record(&mut self, record: &Record) {
        if !record.event.is_told() {
            return;
        }
        if let Ok(mut line) = serde_json::to_vec(record) {
            line.push(b'\n');
            // One write a line, so that a reader never sees half of one. A closed pipe is no reason to leave nodes
            // half way.
            let _ = self.0.write_all(&line).and_then(|()| self.0.flush());
        }
    }

    fn finish(&mut self) {}
}

/// Writes one JSON document when the run is over.
pub struct JsonDocument<W> {
    writer: W,
    history: History,
}

impl<W: Write + Send> JsonDocument<W> {
    /// Writes it here.
    pub fn new(writer: W) -> Self {
        Self { writer, history: History::default() }
    }

    /// Says whose run it is, where no record will: nothing was to be done.
    #[must_use]
    pub fn of(mut self, cluster: ClusterName, group: GroupName) -> Self {
        self.history.cluster = Some(cluster);
        self.history.group = Some(group);
        self
    }
}

impl<W: Write + Send> Reporter for JsonDocument<W> {
    fn record(&mut self, record: &Record) {
        self.history.record(record);
    }

    fn finish(&mut self) {
        if let Ok(mut document) = serde_json::to_vec_pretty(&Summary::from(&self.history)) {
            document.push(b'\n');
            let _ = self.writer.write_all(&document).and_then(|()| self.writer.flush());
        }
    }
}
