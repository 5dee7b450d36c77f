//! The first line of a journal.

use serde::{Deserialize, Serialize};

use crate::domain::{ClusterName, GroupName, Intent, RunId};

/// The form of journal that this mngup writes; a higher one is refused, not guessed at.
pub const JOURNAL_VERSION: u32 = 1;

/// Whose journal it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// [`JOURNAL_VERSION`] of the mngup that began it.
    #[serde(rename = "mngup-journal")]
    pub journal: u32,
    /// Which mngup began it.
    pub version: String,
    /// The cluster.
    pub cluster: ClusterName,
    /// The group.
    pub group: GroupName,
    /// The run; it keeps its journal when it is resumed on the same machine.
    pub run: RunId,
    /// The world of the sandbox that it happened in; none is a real cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
}

impl Header {
    /// A header for this run, as this mngup writes it.
    #[must_use]
    pub fn new(cluster: ClusterName, group: GroupName, run: RunId) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { journal: JOURNAL_VERSION, version, cluster, group, run, sandbox: None }
    }

    /// The same of a run in this world of the sandbox, if it is in one.
    #[must_use]
    pub fn in_sandbox(self, sandbox: Option<String>) -> Self {
        Self { sandbox, ..self }
    }

    /// The header for a run with this intent.
    #[must_use]
    pub fn of(intent: &Intent) -> Self {
        Self::new(intent.cluster.clone(), intent.group.clone(), intent.run.clone())
    }
}
