//! What is known, and why something is not.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// No right to read it: the right, as `list events in namespace shop`.
    Right(String),
    /// The server did not tell: its words.
    Server(String),
    /// Nobody is asked, or can answer: why.
    NotOffered(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRead => f.write_str("not read yet"),
            Self::Right(right) => write!(f, "lacking the right to {right}"),
            Self::Server(words) | Self::NotOffered(words) => f.write_str(words),
        }
    }
}

impl<T> Known<T> {
    /// What keeps it from being known, where that is no answer that is still under way.
    pub fn lacking(&self) -> Option<Lack> {
        match self {
            Self::Is(_) | Self::Unknown(Lack::NotRead) => None,
            Self::Unknown(lack) => Some(lack.clone()),
        }
    }

    /// The same, lent.
    pub fn as_ref(&self) -> Known<&T> {
        match self {
            Self::Is(it) => Known::Is(it),
            Self::Unknown(lack) => Known::Unknown(lack.clone()),
        }
    }

    /// The same, made into something else where it is known.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Is(it) => Known::Is(make(it)),
            Self::Unknown(lack) => Known::Unknown(lack),
        }
    }

    /// It, where it is known.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Is(it) => Some(it),
            Self::Unknown(_) => None,
        }
    }
}
