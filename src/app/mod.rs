//! The async shell: watches through the ports, lets the engine decide, does what it wants, tells what happened.

mod abort;
mod brief;
mod diagnose;
mod driver;
mod examination;
mod lease;
mod nodeless;
mod observe;
mod polling;
mod status;
mod update;
mod upgrade;
mod whom;

pub use abort::{BegunAbort, Undoable, begin_abort, undoable};
pub use brief::brief;
pub use diagnose::{Inquiry, NotDiagnosed, Question, Whose, foresee};
pub use driver::{DriveError, Ports, Stop};
pub use observe::{Observed, observe};
pub use status::{Status, status};
pub use update::NoUpdate;
pub use upgrade::{Begun, NotBegun, Prepared, Refused, Request, begin, prepare};
