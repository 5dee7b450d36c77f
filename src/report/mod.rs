//! Words on the screen: sinks for events, and renderings of what they add up to.
//!
//! Everything here is a fold of records: a reporter that is fed a journal shows what one that was there showed.

mod alike;
mod bars;
mod blocked;
mod brief;
mod brief_text;
mod codes;
mod commands;
pub mod diagnosis;
mod echo;
mod ending;
mod failure;
mod fit;
#[cfg(test)]
mod fixtures;
mod held;
mod history;
mod human;
mod in_flight;
mod json;
mod names;
mod paint;
mod paper;
mod progress;
mod reporter;
mod says;
mod screen;
mod status;
mod step;
mod summary;
mod summary_text;
mod told;
mod tree;
mod undoing;
mod undone;
mod waits;
mod why;
pub mod wording;

pub use brief::{Brief, NodeBrief};
pub use commands::{Commands, Outside};
pub use ending::{Closing, Ending, ending};
pub use history::{DeletedPod, Ended, Fate, History, NodeHistory};
pub use human::Human;
pub use in_flight::{InFlight, Stage, Waiting};
pub use json::{JsonDocument, JsonLines};
pub use names::Names;
pub use paper::{Notes, Paper, Streams, Terminal};
pub use progress::Progress;
pub use reporter::{FanOut, Reporter};
pub use screen::Screen;
pub use status::{Holder, State, status};
pub use step::Step;
pub use summary::{NodeSummary, StuckSummary, Summary, WaitSummary};
pub use undoing::Undoing;
pub use waits::{Wait, Waits};
