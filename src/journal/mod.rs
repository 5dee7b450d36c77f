//! What happened, on disk: a header, then one JSON record a line, for reports and replay.
//!
//! Nothing here is needed to go on with a run: the cluster remembers, the disk explains.

mod file;
mod header;
mod memory;
mod place;
mod read;

pub use file::JournalFile;
pub use header::{Header, JOURNAL_VERSION};
pub use memory::{MemoryJournal, NoJournal};
pub use place::{latest, latest_in_sandbox, path_in, state_home};
pub use read::{JournalError, Recorded, parse, read};
