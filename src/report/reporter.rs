//! Who is told what happens.

use jiff::Timestamp;

use crate::{domain::Size, engine::event::Record};

/// Is told what happens, one record after the other.
///
/// A reporter that is fed a journal shows what one that was there showed: it has no other source.
pub trait Reporter: Send {
    /// Takes in one record.
    fn record(&mut self, record: &Record);

    /// Lets time pass, so that clocks go on while nothing happens; called about once a second.
    fn tick(&mut self, _now: Timestamp) {}

    /// Hears how large the group was when it was last looked at, which no record tells; none where it is not known.
    fn size(&mut self, _size: Option<Size>) {}

    /// Says the last words, and takes away what moves. Called once, also when the run broke off without an end.
    fn finish(&mut self);
}

/// Tells several reporters.
#[derive(Default)]
pub struct FanOut(Vec<Box<dyn Reporter>>);

impl FanOut {
    /// Tells nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells this one too.
    #[must_use]
    pub fn and(mut self, reporter: impl Reporter + 'static) -> Self {
        self.0.push(Box::new(reporter));
        self
    }
}

impl Reporter for FanOut {
    fn record(&mut self, record: &Record) {
        for reporter in &mut self.0 {
            reporter.record(record);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        for reporter in &mut self.0 {
            reporter.tick(now);
        }
    }

    fn size(&mut self, size: Option<Size>) {
        for reporter in &mut self.0 {
            reporter.size(size);
        }
    }

    fn finish(&mut self) {
        for reporter in &mut self.0 {
            reporter.finish();
        }
    }
}
