//! The rollout: what it is (`Rollout`), what it wants (`decide`), how it changes (`evolve`).

pub mod effect;
pub mod event;
pub mod phase;
pub mod waiting;
