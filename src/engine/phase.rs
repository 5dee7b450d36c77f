//! Where a run is, and where each node is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Phases of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunPhase {
    /// Intent written, `AZRebalance` suspended, old nodes tainted softly.
    Preflight,
    /// Extra nodes asked for.
    ScaleUp,
    /// Nodes are replaced.
    Roll,
    /// Sizes, processes, taints and annotations as they were.
    ScaleDown,
    /// Nothing is left to do.
    Done,
}

/// Phases of a node, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum NodePhase {
    /// Chosen; the cordon is asked for.
    Cordoning,
    /// Pods leave.
    Draining {
        /// When patience ends.
        deadline: Timestamp,
    },
    /// Empty; load balancers let go and volumes are detached.
    Settling {
        /// Since when it is empty.
        drained_at: Timestamp,
    },
    /// Termination asked for.
    Terminating {
        /// Since when.
        since: Timestamp,
        /// Whether the group shrinks by it.
        decrement: bool,
        /// How far the call is.
        call: Call,
    },
    /// The instance has left; its replacement is awaited.
    Replacing {
        /// Since when.
        since: Timestamp,
    },
    /// It does not go on and is being given back.
    Releasing,
    /// It stays cordoned; the run goes on without it.
    Quarantined,
}

/// How far the call that terminates an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum Call {
    /// The node does not yet carry the mark that says so.
    Unmarked,
    /// To be sent.
    Marked,
    /// Sent; no answer yet.
    Asked,
    /// Accepted; the instance is about to leave.
    Accepted,
    /// Sent, and the answer was lost: only a reading of the group that is younger tells.
    Lost {
        /// When.
        at: Timestamp,
    },
}

impl NodePhase {
    /// The phase's name as screens show it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cordoning => "cordoning",
            Self::Draining { .. } => "draining",
            Self::Settling { .. } => "settling",
            Self::Terminating { .. } => "terminating",
            Self::Replacing { .. } => "replacing",
            Self::Releasing => "giving back",
            Self::Quarantined => "quarantined",
        }
    }
}

impl fmt::Display for RunPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preflight => "preflight",
            Self::ScaleUp => "scale-up",
            Self::Roll => "roll",
            Self::ScaleDown => "scale-down",
            Self::Done => "done",
        })
    }
}
