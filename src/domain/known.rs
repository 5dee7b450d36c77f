//! What is known, and why something is not.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NodeName, PdbRef};

/// A fact, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is so.
    Is(T),
    /// Nobody can tell.
    Unknown(Lack),
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// It was not looked at, or the answer is still under way.
    NotRead,
    /// The server did not tell: its words.
    Server(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRead => f.write_str("not read yet"),
            Self::Server(words) => f.write_str(words),
        }
    }
}

/// Something that a diagnosis has to know and that no list brings: asked only about what matters to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// The pods on a node.
    PodsOn(NodeName),
    /// The pods that a budget counts, wherever they run.
    PodsOf(PdbRef),
}
