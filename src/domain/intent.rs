//! What a run means to do, as the cluster remembers it: enough for another machine to go on, or to undo it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ClusterName, GroupName, Limits, Policy, RunId, Size};

/// The form of [`Intent`] that this mngup writes; a higher one is refused, not guessed at.
pub const INTENT_SCHEMA: u32 = 1;

/// The one `ConfigMap` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Intent {
    /// [`INTENT_SCHEMA`] of the mngup that wrote it.
    pub schema: u32,
    /// Which mngup wrote it.
    pub version: String,
    /// The run.
    pub run: RunId,
    /// The cluster's name.
    pub cluster: ClusterName,
    /// The group.
    pub group: GroupName,
    /// When the run began.
    pub started_at: Timestamp,
    /// Who began it.
    pub operator: Operator,
    /// Sizes before the run touched anything.
    pub size: Size,
    /// How many nodes were to be replaced when it began.
    pub old: u32,
    /// What the user wants.
    pub policy: Policy,
    /// The numbers that it became.
    pub limits: Limits,
    /// Extra nodes that the run asked for, beyond `size.desired`; written before they are asked for.
    pub surge: u32,
    /// The maximum that the run raised the group to; none when it left it alone.
    pub raised_max: Option<u32>,
    /// Whether the run suspended `AZRebalance`; written before it does.
    pub suspended_az_rebalance: bool,
    /// Where the run is.
    pub state: IntentState,
}

impl Intent {
    /// How many nodes more than before the group of this size has, as far as the run asked for them: what others added
    /// is theirs.
    #[must_use]
    pub fn extra(&self, size: Size) -> u32 {
        size.desired.saturating_sub(self.size.desired).min(self.surge)
    }
}

/// Who runs mngup, for those who find its traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Operator {
    /// The user's name.
    pub user: String,
    /// The machine.
    pub host: String,
}

/// Where a run is, as the cluster remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum IntentState {
    /// Somebody works on it, or died over it.
    Rolling,
    /// It stopped and can go on.
    Stopped {
        /// When.
        at: Timestamp,
        /// Why, in a sentence.
        why: String,
    },
}
