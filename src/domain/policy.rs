//! What the user wants of a run, and the numbers that it becomes for one group.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Group, IntOrPercent, NodeName, Rounding, Settings, UpdateStrategy};

/// The settings of a run, as flags, variables or a plan file gave them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// How many nodes may be out at a time; none asks the group.
    pub max_unavailable: Option<IntOrPercent>,
    /// How many extra nodes carry the load meanwhile; none takes 1, or 0 for strategy MINIMAL.
    pub max_surge: Option<IntOrPercent>,
    /// How long a node's pods may take to leave; EKS gives them 15 minutes.
    pub drain_timeout: Duration,
    /// Delete what is left after the drain timeout: EKS's meaning of force.
    pub force: bool,
    /// Between the last pod and the termination, so that load balancers let go.
    pub post_drain_delay: Duration,
    /// How long a replacement may take until it serves.
    pub replacement_timeout: Duration,
    /// Replaces every pod's own grace period, in seconds.
    pub grace_period: Option<u32>,
    /// Caps every pod's own grace period, in seconds.
    pub max_grace_period: Option<u32>,
    /// Pods without a controller may be removed for good: kubectl's meaning of force.
    pub delete_unmanaged: bool,
    /// Delete instead of evict, which ignores every budget.
    pub disable_eviction: bool,
    /// Pods that are past their deletion for so long are no longer waited for; none waits.
    pub skip_wait_for_delete: Option<Duration>,
    /// What becomes of a node that cannot be drained.
    pub undrainable: Undrainable,
    /// How many nodes may be quarantined before the run stops.
    pub max_quarantined: u32,
    /// Replace nodes that are not old too.
    pub all_nodes: bool,
    /// Only these nodes; empty means all.
    pub only: BTreeSet<NodeName>,
    /// Which node first, among equals.
    pub order: Order,
    /// At least so long between two choices.
    pub node_interval: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_unavailable: None,
            max_surge: None,
            drain_timeout: Duration::from_mins(15),
            force: false,
            post_drain_delay: Duration::from_mins(1),
            replacement_timeout: Duration::from_mins(15),
            grace_period: None,
            max_grace_period: None,
            delete_unmanaged: false,
            disable_eviction: false,
            skip_wait_for_delete: None,
            undrainable: Undrainable::Stop,
            max_quarantined: 1,
            all_nodes: false,
            only: BTreeSet::new(),
            order: Order::Zone,
            node_interval: Duration::ZERO,
        }
    }
}

/// Two settings that cannot both be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// No node may be out, and no other comes first.
    #[error("--max-unavailable {0} without a surge: no node may be out, and none comes instead of it")]
    NothingMayMove(IntOrPercent),
    /// Nodes are to be quarantined, and none may be.
    #[error("--undrainable-node-behavior quarantine with --max-quarantined 0")]
    NoneQuarantined,
    /// The grace period for every pod is above the cap for every pod.
    #[error("--grace-period {grace}s is above --max-grace-period {cap}s")]
    GraceAboveCap {
        /// The one.
        grace: u32,
        /// The other.
        cap: u32,
    },
}

impl Contradiction {
    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NothingMayMove(_) => "add --max-surge 1, or let one node be out",
            Self::NoneQuarantined => "allow at least one, or take --undrainable-node-behavior stop",
            Self::GraceAboveCap { .. } => "give one of the two",
        }
    }
}

impl Policy {
    /// Whether all of it can be meant at once.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), Contradiction> {
        let nothing = |said| matches!(said, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
        // Without a word a group gets a surge by itself, unless its strategy is MINIMAL: only the group can tell.
        if let Some(said) = self.max_unavailable.filter(|said| nothing(*said))
            && self.max_surge.is_some_and(nothing)
        {
            return Err(Contradiction::NothingMayMove(said));
        }
        if self.undrainable == Undrainable::Quarantine && self.max_quarantined == 0 {
            return Err(Contradiction::NoneQuarantined);
        }
        match (self.grace_period, self.max_grace_period) {
            (Some(grace), Some(cap)) if grace > cap => Err(Contradiction::GraceAboveCap { grace, cap }),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

/// What becomes of a node that cannot be drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undrainable {
    /// Choose no more, let what is in flight finish, uncordon this one.
    #[default]
    Stop,
    /// Leave it cordoned and go on.
    Quarantine,
}

/// Which node goes first, after those that do not serve anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// From the zone with the most old nodes, so that the zones stay even; the oldest first within it.
    #[default]
    Zone,
    /// The oldest node first.
    Oldest,
    /// The youngest node first.
    Newest,
    /// By name.
    Name,
}

/// Where a number came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A flag, a variable or the plan file.
    Policy,
    /// The managed node group's `updateConfig`.
    UpdateConfig,
    /// Nobody said anything.
    Default,
}

/// What the percentages became for a group of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Nodes that may be out.
    pub max_unavailable: u32,
    /// As it was written.
    pub max_unavailable_said: IntOrPercent,
    /// Who said so.
    pub max_unavailable_from: Source,
    /// Extra nodes to ask for.
    pub surge: u32,
    /// As it was written.
    pub surge_said: IntOrPercent,
    /// Who said so.
    pub surge_from: Source,
}

/// Numbers with which no run can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// Nothing may be out and nothing extra may come.
    #[error(
        "--max-unavailable 0 without a surge, which this group does not get by itself: no node may be out, and none comes instead of it"
    )]
    NothingMayMove,
}

impl Limits {
    /// Resolves the policy for this group: flag, else `updateConfig`, else 1; percentages of maxUnavailable round
    /// down to at least 1, those of a surge round up.
    ///
    /// # Errors
    /// [`LimitsError::NothingMayMove`] when both come out as 0.
    pub fn resolve(policy: &Policy, group: &Group, size: u32) -> Result<Self, LimitsError> {
        let nodegroup = group.nodegroup.as_ref();
        let configured = nodegroup.and_then(|nodegroup| nodegroup.max_unavailable);
        let (max_unavailable_said, max_unavailable_from) = match (policy.max_unavailable, configured) {
            (Some(said), _) => (said, Source::Policy),
            (None, Some(said)) => (said, Source::UpdateConfig),
            (None, None) => (IntOrPercent::Int(1), Source::Default),
        };
        let minimal = nodegroup.is_some_and(|nodegroup| nodegroup.strategy == UpdateStrategy::Minimal);
        let (surge_said, surge_from) = match policy.max_surge {
            Some(said) => (said, Source::Policy),
            None if minimal => (IntOrPercent::Int(0), Source::UpdateConfig),
            None => (IntOrPercent::Int(1), Source::Default),
        };
        let surge = surge_said.of(size, Rounding::Up);
        let max_unavailable = match max_unavailable_said {
            IntOrPercent::Int(count) => count,
            IntOrPercent::Percent(0) => 0,
            IntOrPercent::Percent(_) => max_unavailable_said.of(size, Rounding::Down).max(1),
        };
        Self { max_unavailable, max_unavailable_said, max_unavailable_from, surge, surge_said, surge_from }.checked()
    }

    /// The limits of a run that goes on: it keeps its numbers, also where the group's `updateConfig` was changed
    /// meanwhile, but for those that were given now. `policy` has them in it already.
    ///
    /// # Errors
    /// [`LimitsError::NothingMayMove`] when both come out as 0.
    pub fn resume(self, given: &Settings, policy: &Policy, group: &Group, size: u32) -> Result<Self, LimitsError> {
        if given.max_unavailable.is_none() && given.max_surge.is_none() {
            return Ok(self);
        }
        let mut now = Self::resolve(policy, group, size)?;
        if given.max_unavailable.is_none() {
            let Self { max_unavailable, max_unavailable_said, max_unavailable_from, .. } = self;
            now = Self { max_unavailable, max_unavailable_said, max_unavailable_from, ..now };
        }
        if given.max_surge.is_none() {
            let Self { surge, surge_said, surge_from, .. } = self;
            now = Self { surge, surge_said, surge_from, ..now };
        }
        now.checked()
    }

    fn checked(self) -> Result<Self, LimitsError> {
        if self.max_unavailable == 0 && self.surge == 0 {
            return Err(LimitsError::NothingMayMove);
        }
        Ok(self)
    }
}

impl fmt::Display for Undrainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Quarantine => "quarantine",
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zone => "zone",
            Self::Oldest => "oldest",
            Self::Newest => "newest",
            Self::Name => "name",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Limits = Limits {
        max_unavailable: 3,
        max_unavailable_said: IntOrPercent::Int(3),
        max_unavailable_from: Source::UpdateConfig,
        surge: 2,
        surge_said: IntOrPercent::Int(2),
        surge_from: Source::Policy,
    };

    fn group() -> Group {
        Group {
            asg: "workers".into(),
            observed_at: jiff::Timestamp::UNIX_EPOCH,
            size: super::super::Size { min: 1, desired: 12, max: 12 },
            counts: super::super::Counts::Instances,
            target: super::super::LaunchTarget::default(),
            instances: std::collections::BTreeMap::new(),
            suspended: BTreeSet::new(),
            operator: None,
            instance_refresh: None,
            zones: BTreeSet::new(),
            activities: Vec::new(),
            nodegroup: None,
        }
    }

    #[test]
    fn a_run_that_goes_on_keeps_its_numbers_except_those_given_now() {
        let resume = |given: &Settings| BEGAN.resume(given, &given.over(&Policy::default()), &group(), 12);
        // The group's own number is another by now; nobody asked for that here.
        assert_eq!(resume(&Settings::default()), Ok(BEGAN));
        let surge = Settings { max_surge: Some(IntOrPercent::Percent(25)), ..Settings::default() };
        let expected = Limits { surge: 3, surge_said: IntOrPercent::Percent(25), ..BEGAN };
        assert_eq!(resume(&surge), Ok(expected));
    }
}
