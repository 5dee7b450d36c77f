//! What a run would do: which nodes are old and by what evidence, which goes next, and what speaks against it.

mod census;
mod order;
mod preflight;
mod staleness;

pub use census::{Census, Roles, Seat};
pub use order::{next, shed_by};
pub use preflight::{Objection, busy, objections};
pub use staleness::{disagreements, evidence, old_nodes};
