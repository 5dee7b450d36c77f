//! What whoever looks at an object with kubectl should read there.

use std::fmt;

use jiff::Timestamp;

use super::{Cause, NodeName, Object, PdbRef};

/// Word that something holds an upgrade, or does so no longer: it becomes an Event on the object that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of what.
    pub about: About,
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

/// What people look at with kubectl when an upgrade stands still. Budgets come first: there are fewer of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A budget.
    Pdb(PdbRef),
    /// A node.
    Node(NodeName),
}

impl From<About> for Object {
    fn from(about: About) -> Self {
        match about {
            About::Pdb(pdb) => Self::Pdb(pdb),
            About::Node(node) => Self::Node(node),
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Object::from(self.clone()).fmt(f)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// It holds an upgrade.
    Blocked,
    /// It held one, and does so no longer.
    Unblocked,
}
