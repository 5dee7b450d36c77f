//! What a server says when it says no.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Why a server said no, sorted by what one does about it (eviction: `pkg/registry/core/pod/storage/eviction.go`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// 429 with the cause `DisruptionBudget`: the budget allows none now. The causes are the server's own.
    Budget {
        /// `details.causes[].message`
        causes: Vec<String>,
    },
    /// Rate limiting, or a 429 without that cause.
    Throttled {
        /// `Retry-After`, where the server says so.
        after: Option<Duration>,
    },
    /// 500: more than one budget counts the pod; no retry can help.
    TwoBudgets,
    /// An admission webhook said no, or could not be reached.
    Webhook {
        /// What the server said.
        message: String,
    },
    /// The namespace is being deleted, its pods with it.
    NamespaceTerminating,
    /// No right to do it.
    Forbidden {
        /// What the server said: names user, verb and resource.
        message: String,
    },
    /// The object is gone.
    Gone,
    /// The object is another than was meant (uid), or was changed meanwhile.
    Conflict {
        /// What the server said.
        message: String,
    },
    /// Anything else.
    Failed {
        /// HTTP status, 0 where there was none.
        code: u16,
        /// What the server said.
        message: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { causes } if causes.is_empty() => f.write_str("the disruption budget allows none now"),
            Self::Budget { causes } => f.write_str(&causes.join("; ")),
            Self::Throttled { .. } => f.write_str("the server asks for fewer requests"),
            Self::TwoBudgets => f.write_str("more than one PodDisruptionBudget counts this pod"),
            Self::NamespaceTerminating => f.write_str("its namespace is being deleted"),
            Self::Gone => f.write_str("it is gone"),
            Self::Webhook { message } | Self::Forbidden { message } | Self::Conflict { message } => {
                f.write_str(message)
            }
            Self::Failed { code: 0, message } => f.write_str(message),
            Self::Failed { code, message } => write!(f, "{code}: {message}"),
        }
    }
}
