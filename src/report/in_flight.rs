//! A node whose turn it is: its stage, its pods, what it waits for.

use std::time::Duration;

use jiff::Timestamp;

use super::{codes, wording};
use crate::{
    domain::{Diagnosis, elapsed, later},
    engine::{event::Member, waiting::WaitingOn},
};

/// A node whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Which.
    pub member: Member,
    /// Where it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: Timestamp,
    /// When its turn came.
    pub chosen_at: Timestamp,
    /// When patience with this stage ends.
    pub deadline: Option<Timestamp>,
    /// Pods that still have to leave, once they were counted.
    pub pods_left: Option<u32>,
    /// Pods that left.
    pub pods_gone: u32,
    /// What it waits for.
    pub waiting: Option<Waiting>,
}

/// What somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// For what.
    pub on: Vec<WaitingOn>,
    /// Since when.
    pub since: Timestamp,
    /// When patience ends.
    pub until: Option<Timestamp>,
}

/// Where a node is, as its events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The cordon is asked for.
    Cordoning,
    /// Pods leave.
    Draining,
    /// Empty; load balancers let go and volumes are detached.
    Settling,
    /// Termination is asked for.
    Terminating,
    /// A new node is awaited.
    Replacing,
    /// It does not go on.
    Stuck,
}

impl Stage {
    /// Its name on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cordoning => "cordoning",
            Self::Draining => "draining",
            Self::Settling => "settling",
            Self::Terminating => "terminating",
            Self::Replacing => "replacing",
            Self::Stuck => "stuck",
        }
    }
}

impl InFlight {
    /// A node that is at this stage from now on.
    pub(super) fn new(member: Member, stage: Stage, at: Timestamp, patience: Option<Duration>) -> Self {
        Self {
            member,
            stage,
            since: at,
            chosen_at: at,
            deadline: patience.map(|patience| later(at, patience)),
            pods_left: None,
            pods_gone: 0,
            waiting: None,
        }
    }

    /// Goes on to this stage.
    pub(super) fn enter(&mut self, stage: Stage, at: Timestamp, patience: Option<Duration>) {
        self.stage = stage;
        self.since = at;
        self.deadline = patience.map(|patience| later(at, patience));
        self.waiting = None;
        if stage != Stage::Draining {
            self.pods_left = None;
        }
    }

    /// Whether the nodes before it say nothing about it: something holds it that time does not heal, or it is held and
    /// has taken twice as long as they did.
    pub(super) fn stands_still(&self, average: Duration, now: Timestamp, found: Option<&Diagnosis>) -> bool {
        let all = || self.waiting.iter().flat_map(|waiting| &waiting.on);
        let held = || all().filter(|on| wording::blocks(on));
        self.stage == Stage::Stuck
            || held().any(wording::needs_somebody)
            || all().any(|on| !codes::found(found, on).is_empty())
            || held().next().is_some() && elapsed(self.chosen_at, now) > average * 2
    }

    /// When patience ends: the engine's word where it gave one. Nothing ends a drain that is forced.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match &self.waiting {
            Some(waiting) if self.stage == Stage::Draining => waiting.until,
            Some(waiting) => waiting.until.or(self.deadline),
            None => self.deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        fixtures::{at, blocked},
        progress::Progress,
    };

    #[test]
    fn a_node_in_flight_tells_its_stage_its_pods_and_when_patience_ends() {
        let progress = Progress::of(&blocked().0);
        let [draining, settling] = progress.in_flight.as_slice() else { panic!("{:?}", progress.in_flight) };
        assert_eq!((draining.stage, draining.pods_left, draining.pods_gone), (Stage::Draining, Some(3), 8));
        assert_eq!(draining.until(), Some(at(260 + 900)));
        assert_eq!((settling.stage, settling.until()), (Stage::Settling, Some(at(411 + 60))));
    }
}
