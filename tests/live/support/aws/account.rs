//! What an account has beside the group, as far as launches and node groups hang on it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mngup::sim::asg::{FailureReason, LaunchFailure};

use super::state::State;

/// What launches fail for until somebody brings it about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A key pair of this name.
    KeyPair(String),
    /// A policy without a highest spot price.
    NoSpotMaximum,
}

/// Key pairs, prices, subnets.
#[derive(Debug, Default)]
pub struct Account {
    /// Names of key pairs.
    pub key_pairs: BTreeSet<String>,
    /// The highest spot price of the group's policy.
    pub spot_max_price: Option<String>,
    /// Subnets whose instances get a public address.
    pub public_subnets: BTreeSet<String>,
    /// What launches need, and EC2's words where it is not there.
    need: Option<(Need, String)>,
}

impl Account {
    fn has(&self, need: &Need) -> bool {
        match need {
            Need::KeyPair(name) => self.key_pairs.contains(name),
            Need::NoSpotMaximum => self.spot_max_price.is_none(),
        }
    }
}

impl State {
    /// From now on launches need this, and say so in these words where it is not there.
    pub fn launches_need(&mut self, need: Need, words: &str, now: Timestamp) {
        self.account.need = Some((need, words.to_owned()));
        self.settle_launches(now);
    }

    /// Lets launches fail for what they need and have not, and no longer for what has come.
    pub fn settle_launches(&mut self, now: Timestamp) {
        let Some((need, words)) = &self.account.need else { return };
        let fails = !self.asg.config().failures.is_empty();
        let has = self.account.has(need);
        if has && fails {
            self.asg.clear_failures(now);
        }
        if !has && !fails {
            let reason = FailureReason::Other(words.clone());
            let (zone, instance_type, until, attempts) = (None, None, None, None);
            self.asg.add_failure(LaunchFailure { zone, instance_type, from: now, until, attempts, reason });
        }
    }
}
