//! What goes wrong, as tests ask for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

/// What becomes of calls whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is done and the connection closes.
    AfterDoing,
    /// It is not done and the connection closes.
    BeforeDoing,
}

/// What becomes of instances that run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joins {
    /// They become Nodes, and Ready.
    #[default]
    Ready,
    /// They become Nodes that are never Ready.
    NotReady,
    /// They never become Nodes.
    Never,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Faults {
    /// Of a hundred calls so many are throttled, chosen by the seed.
    pub throttled: Option<(u64, u64)>,
    /// How many of the next calls of an action are lost.
    pub losses: BTreeMap<String, (u32, Loss)>,
    /// Actions that are denied.
    pub denied: BTreeSet<String>,
    /// Whether all credentials have expired.
    pub expired: bool,
    /// What becomes of instances that run from now on.
    pub joins: Joins,
    /// What the next Nodes register with beyond the ordinary, one each, as merge patches.
    pub newcomers: VecDeque<Value>,
    /// Whether the Nodes of instances that are gone stay, because nobody sees that they are.
    pub keeps_nodes: bool,
    drawn: u64,
}

impl Faults {
    /// Whether this call is throttled; the same calls for the same seed.
    pub fn throttles(&mut self) -> bool {
        let Some((percent, seed)) = self.throttled else { return false };
        self.drawn += 1;
        // splitmix64
        let mut mixed = seed.wrapping_add(self.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % 100 < percent
    }

    /// Whether this call's answer is lost.
    pub fn loses(&mut self, action: &str) -> Option<Loss> {
        let (left, loss) = self.losses.get_mut(action).filter(|(left, _)| *left > 0)?;
        *left -= 1;
        Some(*loss)
    }
}
