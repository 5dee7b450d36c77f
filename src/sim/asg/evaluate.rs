//! What the group does by itself: keep its size, and keep its zones even.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{AsgInstance, AutoScalingGroup, InstanceState, activity::Why};
use crate::domain::{InstanceId, Process, Zone, later};

impl AutoScalingGroup {
    /// Compares what is with what should be, and acts.
    pub(super) fn evaluate(&mut self) {
        let (active, desired) = (self.active_count(), self.size.desired);
        let extra = u32::from(self.rebalancing.is_some());
        if active < desired {
            self.launch_missing(desired - active);
        } else if active > desired + extra {
            self.terminate_excess(active - desired - extra);
        }
        self.rebalance();
    }

    fn launch_missing(&mut self, missing: u32) {
        if self.is_suspended(&Process::Launch) {
            return;
        }
        if let Some(stalled_until) = self.stalled_until.filter(|until| *until > self.now) {
            self.evaluate_by(stalled_until);
            return;
        }
        if let Some(not_before) = self.not_before.filter(|at| *at > self.now) {
            self.evaluate_by(not_before);
            return;
        }
        for _ in 0..missing {
            let from = self.active_count();
            if self.launch(None, &Why::Difference { from, to: from + 1 }).is_none() {
                self.back_off();
                return;
            }
        }
        self.failed = 0;
        self.not_before = None;
    }

    /// Waits longer after each failure in a row, as the group does.
    fn back_off(&mut self) {
        let wait = self.config.delays.retry.saturating_mul(1 << self.failed.min(4));
        self.failed += 1;
        let at = later(self.now, wait);
        self.not_before = Some(at);
        self.evaluate_by(at);
    }

    fn terminate_excess(&mut self, excess: u32) {
        if self.is_suspended(&Process::Terminate) {
            return;
        }
        for _ in 0..excess {
            let Some(id) = self.least_wanted(None) else { return };
            let from = self.active_count();
            self.begin_termination(&id, &Why::Difference { from, to: from - 1 });
        }
    }

    /// Whom a scale-in takes: from the fullest zone the oldest launch template, then the oldest instance
    /// (`AllocationStrategy, OldestLaunchTemplate, OldestInstance`, as EKS sets it).
    fn least_wanted(&self, zone: Option<&Zone>) -> Option<InstanceId> {
        let counts = self.zone_counts();
        let key = |instance: &&AsgInstance| {
            let current = self.current_template(&instance.instance_type);
            let version = instance.template.as_ref().and_then(|template| template.version.parse::<u32>().ok());
            let other_template =
                instance.template.as_ref().map(|template| &template.id) != current.as_ref().map(|c| &c.id);
            (
                Reverse(counts.get(&instance.zone).copied().unwrap_or(0)),
                Reverse(other_template),
                version,
                instance.launched_at,
                instance.id.clone(),
            )
        };
        self.active()
            .filter(|instance| !instance.protected && zone.is_none_or(|zone| instance.zone == *zone))
            .filter(|instance| self.rebalancing.as_ref() != Some(&instance.id))
            .min_by_key(key)
            .map(|instance| instance.id.clone())
    }

    /// Launches one in the emptiest zone and takes one from the fullest once the new one serves. It asks nobody:
    /// budgets are none of Auto Scaling's business.
    fn rebalance(&mut self) {
        let suspended = [Process::AzRebalance, Process::Launch, Process::Terminate];
        if suspended.iter().any(|process| self.is_suspended(process)) {
            self.uneven_since = None;
            self.rebalancing = None;
            return;
        }
        if let Some(id) = self.rebalancing.clone() {
            self.finish_rebalancing(&id);
            return;
        }
        let counts = self.zone_counts();
        let (Some((emptiest, least)), Some(most)) = (
            counts.iter().min_by_key(|(_, count)| **count).map(|(zone, count)| (zone.clone(), *count)),
            counts.values().max().copied(),
        ) else {
            return;
        };
        let settled = self.active().all(|instance| instance.state == InstanceState::InService)
            && self.active_count() == self.size.desired;
        if most - least < 2 || !settled {
            self.uneven_since = None;
            return;
        }
        let due = later(*self.uneven_since.get_or_insert(self.now), self.config.delays.rebalance);
        let due = self.not_before.map_or(due, |not_before| due.max(not_before));
        if due > self.now {
            self.evaluate_by(due);
            return;
        }
        match self.launch(Some(&emptiest), &Why::Rebalance { into: emptiest.to_string() }) {
            Some(id) => {
                self.rebalancing = Some(id);
                self.uneven_since = None;
                self.failed = 0;
            }
            None => self.back_off(),
        }
    }

    fn finish_rebalancing(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get(id).filter(|instance| instance.state.is_active()) else {
            self.rebalancing = None;
            return;
        };
        if instance.state != InstanceState::InService {
            return;
        }
        let into = instance.zone.to_string();
        let counts = self.zone_counts();
        let fullest = counts.iter().max_by_key(|(zone, count)| (**count, Reverse((*zone).clone())));
        let leaves = fullest.and_then(|(zone, _)| self.least_wanted(Some(zone)));
        self.rebalancing = None;
        if let Some(leaves) = leaves.filter(|_| self.active_count() > self.size.desired) {
            self.begin_termination(&leaves, &Why::Rebalance { into });
        }
    }

    /// How many active instances each zone of the group has, the empty ones too.
    pub(super) fn zone_counts(&self) -> BTreeMap<Zone, u32> {
        let mut counts: BTreeMap<Zone, u32> =
            self.config.subnets.iter().map(|subnet| (subnet.zone.clone(), 0)).collect();
        for instance in self.active() {
            *counts.entry(instance.zone.clone()).or_default() += 1;
        }
        counts
    }

    pub(super) fn is_suspended(&self, process: &Process) -> bool {
        self.config.suspended.contains(process)
    }
}
