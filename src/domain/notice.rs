//! What whoever looks at an object with kubectl should read there.

use jiff::Timestamp;

use super::{Cause, Object};

/// Word that something holds an upgrade, or does so no longer: it becomes an Event on the object that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A node, or a budget.
    pub about: Object,
    /// By what.
    pub cause: Cause,
    /// Whether it holds, or does so no longer.
    pub news: News,
    /// The sentence, its code first: at most a kilobyte.
    pub says: String,
    /// How often it was said by now.
    pub count: u32,
    /// When it was said first.
    pub first: Timestamp,
    /// When it is said.
    pub at: Timestamp,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// It holds an upgrade.
    Blocked,
    /// It held one, and does so no longer.
    Unblocked,
}
