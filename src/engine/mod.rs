//! The rollout: what it is ([`Rollout`]), what it wants ([`Rollout::decide`]), how it changes ([`Rollout::evolve`]).

mod answers;
mod awaited;
mod choose;
mod decide;
mod draft;
mod drain;
pub mod effect;
pub mod event;
mod evolve;
mod flight;
pub mod invariants;
mod newcomers;
mod note;
pub mod phase;
mod release;
mod resume;
mod rollout;
mod stopped;
mod tidy;
pub mod waiting;

pub use awaited::{Awaited, Launched};
pub use decide::Input;
pub use draft::{Act, Decision};
pub use rollout::{Flight, Goal, Rollout, offered_by_all_old};
