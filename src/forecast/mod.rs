//! A world played through the engine without a runtime: the same input always gives the same end.

mod rehearsal;

pub use rehearsal::{NoRehearsal, Rehearsal};
