//! What mngup writes on a Node, so that another machine can go on and `abort` can undo just that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RunId, Taint, TaintEffect};

/// Keeps a node out of load balancers (k8s.io/api `well_known_labels.go`).
pub const EXCLUDE_FROM_LOAD_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// Keeps the cluster autoscaler from scaling a node down.
pub const CLUSTER_AUTOSCALER_SHIELD: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";

/// The soft taint on old nodes whose turn has not come: evicted pods then go to new nodes and move once.
pub const PENDING_TAINT: TaintKey = TaintKey("mngup.dev/pending-upgrade");

/// A taint's key of ours; its value is empty and its effect `PreferNoSchedule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaintKey(pub &'static str);

impl TaintKey {
    /// The taint in full.
    #[must_use]
    pub fn taint(self) -> Taint {
        Taint { key: self.0.to_owned(), value: String::new(), effect: TaintEffect::PreferNoSchedule }
    }
}

/// The annotations' keys.
pub mod key {
    /// Which run marked this node.
    pub const RUN: &str = "mngup.dev/run";
    /// The node's turn came: RFC 3339.
    pub const CHOSEN: &str = "mngup.dev/chosen-at";
    /// We cordoned it; absent when somebody had before us.
    pub const CORDONED: &str = "mngup.dev/cordoned";
    /// We added the load balancer label; absent when it was there.
    pub const EXCLUDED: &str = "mngup.dev/load-balancers-excluded";
    /// Its instance's termination is about to be asked for: RFC 3339, then ` decrement` if the group shrinks by it.
    pub const TERMINATING: &str = "mngup.dev/terminating-at";
    /// It could not be drained and stays cordoned: RFC 3339.
    pub const QUARANTINED: &str = "mngup.dev/quarantined-at";
    /// We shield it from the cluster autoscaler.
    pub const SHIELDED: &str = "mngup.dev/shielded";
    /// All annotations of ours begin so.
    pub const PREFIX: &str = "mngup.dev/";
}

/// What [`key::CORDONED`] is taken to say once somebody else took our cordon off and put theirs on.
const BY_OTHERS: &str = "by others";

/// What mngup wrote on a node, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(pub BTreeMap<String, String>);

/// One annotation to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeMark {
    /// [`key::RUN`]
    Run(RunId),
    /// [`key::CHOSEN`]
    Chosen(Timestamp),
    /// [`key::CORDONED`]
    Cordoned,
    /// [`key::EXCLUDED`]
    Excluded,
    /// [`key::TERMINATING`]
    Terminating(Timestamp, bool),
    /// [`key::QUARANTINED`]
    Quarantined(Timestamp),
    /// [`key::SHIELDED`]
    Shielded,
}

impl NodeMark {
    /// Key and value of the annotation.
    #[must_use]
    pub fn annotation(&self) -> (&'static str, String) {
        match self {
            Self::Run(run) => (key::RUN, run.to_string()),
            Self::Chosen(at) => (key::CHOSEN, at.to_string()),
            Self::Cordoned => (key::CORDONED, "true".to_owned()),
            Self::Excluded => (key::EXCLUDED, "true".to_owned()),
            Self::Terminating(at, false) => (key::TERMINATING, at.to_string()),
            Self::Terminating(at, true) => (key::TERMINATING, format!("{at} decrement")),
            Self::Quarantined(at) => (key::QUARANTINED, at.to_string()),
            Self::Shielded => (key::SHIELDED, "true".to_owned()),
        }
    }
}

impl Marks {
    /// Keeps what is ours of a node's annotations.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        Self(
            annotations
                .iter()
                .filter(|(k, _)| k.starts_with(key::PREFIX))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        )
    }

    /// Which run marked it.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.0.get(key::RUN).map(RunId::new)
    }

    /// Since when it is chosen.
    #[must_use]
    pub fn chosen_at(&self) -> Option<Timestamp> {
        self.moment(key::CHOSEN)
    }

    /// Whether the cordon is ours.
    #[must_use]
    pub fn cordoned(&self) -> bool {
        self.0.get(key::CORDONED).is_some_and(|by| by != BY_OTHERS)
    }

    /// Notes that the cordon is somebody else's, though we had cordoned the node before.
    pub fn disown_cordon(&mut self) {
        if let Some(by) = self.0.get_mut(key::CORDONED) {
            BY_OTHERS.clone_into(by);
        }
    }

    /// Whether the load balancer label is ours.
    #[must_use]
    pub fn excluded(&self) -> bool {
        self.0.contains_key(key::EXCLUDED)
    }

    /// Since when its termination is asked for, and whether the group shrinks by it.
    #[must_use]
    pub fn terminating(&self) -> Option<(Timestamp, bool)> {
        let text = self.0.get(key::TERMINATING)?;
        let (at, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some((at.parse().ok()?, rest == "decrement"))
    }

    /// Since when it is quarantined.
    #[must_use]
    pub fn quarantined_at(&self) -> Option<Timestamp> {
        self.moment(key::QUARANTINED)
    }

    /// Whether the shield from the cluster autoscaler is ours.
    #[must_use]
    pub fn shielded(&self) -> bool {
        self.0.contains_key(key::SHIELDED)
    }

    /// Whether nothing of ours is on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn moment(&self, key: &str) -> Option<Timestamp> {
        self.0.get(key).and_then(|text| text.parse().ok())
    }
}

/// One change of a Node, sent as one request: the act and what is remembered of it go together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePatch {
    /// Cordon or uncordon.
    pub unschedulable: Option<bool>,
    /// Set or take away [`EXCLUDE_FROM_LOAD_BALANCERS`].
    pub excluded: Option<bool>,
    /// Put or take away [`PENDING_TAINT`].
    pub pending_taint: Option<bool>,
    /// Set or take away [`CLUSTER_AUTOSCALER_SHIELD`].
    pub shielded: Option<bool>,
    /// Annotations to write.
    pub marks: Vec<NodeMark>,
    /// Annotations to take away, by key.
    pub unmark: BTreeSet<String>,
}

impl NodePatch {
    /// Takes every annotation of ours away.
    #[must_use]
    pub fn unmark_all(marks: &Marks) -> BTreeSet<String> {
        marks.0.keys().cloned().collect()
    }
}
