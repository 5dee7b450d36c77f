//! The disruption controller: what the status of a budget says (`pkg/controller/disruption/disruption.go`).

use std::time::Duration;

use super::{
    Loss, Violation, World,
    state::{Key, PodKey, SimPod, Timer},
};
use crate::{
    domain::{IntOrPercent, PdbRule, Rounding, later},
    sim::spec::WorkloadKind,
};

/// How long an accepted eviction is believed before the pod is counted again (`DeletionTimeout`).
const DELETION_TIMEOUT: Duration = Duration::from_mins(2);

impl World {
    /// Pods of this workload changed: the controller will look at its budgets after its lag.
    pub(super) fn budgets_notice(&mut self, workload: usize) {
        for position in 0..self.workloads[workload].budgets.len() {
            let budget = self.workloads[workload].budgets[position];
            self.budgets[budget].pods_changed = self.log.last;
            self.sync_later(budget);
        }
    }

    pub(super) fn sync_later(&mut self, index: usize) {
        let lag = self.spec.delays.budget_lag;
        let budget = &mut self.budgets[index];
        if !budget.sync_due && !budget.deleted {
            budget.sync_due = true;
            self.at(lag, Timer::SyncBudget(index));
        }
    }

    /// Writes the status as the pods are now.
    pub(super) fn sync_budget(&mut self, index: usize) {
        self.budgets[index].sync_due = false;
        if self.budgets[index].deleted {
            return;
        }
        let arithmetic = self.arithmetic(index);
        let now = self.now;
        // An eviction is no longer counted apart once the pod is leaving, or after the timeout.
        let known: Vec<(String, jiff::Timestamp)> = {
            let budget = &self.budgets[index];
            let staying = |name: &str| {
                let mut pods = self.pods_of_budget(index);
                pods.any(|pod| pod.object.id.name == name && pod.object.deletion.is_none())
            };
            let believed = |since: jiff::Timestamp| budget.believes_for_ever || later(since, DELETION_TIMEOUT) > now;
            let kept = budget.disrupted.iter().filter(|(name, since)| staying(name) && believed(**since));
            kept.map(|(name, since)| (name.clone(), *since)).collect()
        };
        let current = self.healthy(index, |pod| known.iter().any(|(name, _)| *name == pod.object.id.name));
        if !known.is_empty() {
            self.at(DELETION_TIMEOUT, Timer::SyncBudget(index));
        }
        let budget = &mut self.budgets[index];
        budget.disrupted = known.into_iter().collect();
        let mut status = budget.object.status.clone();
        status.observed_generation = budget.object.generation;
        status.disrupted.clone_from(&budget.disrupted);
        match arithmetic {
            Ok((expected, desired)) => {
                status.expected = expected;
                status.desired = desired;
                status.current = current;
                status.allowed = if expected > 0 { (current - desired).max(0) } else { 0 };
                status.sync_failed = None;
            }
            Err(why) => {
                status.allowed = 0;
                status.sync_failed = Some(why);
            }
        }
        status.blocked_since = (status.allowed == 0).then(|| status.blocked_since.unwrap_or(now));
        if budget.object.status != status {
            budget.object.status = status;
            self.budget_changed(index);
        }
    }

    /// An accepted eviction whose pod lives on, and a controller that counts it as gone for ever.
    pub(super) fn disrupted_sticks(&mut self, index: usize) {
        let pod = self.pods_of_budget(index).find(|pod| pod.object.ready && pod.object.deletion.is_none());
        let Some(pod) = pod.map(|pod| pod.object.id.name.clone()) else { return };
        let now = self.now;
        self.budgets[index].believes_for_ever = true;
        self.budgets[index].disrupted.insert(pod, now);
        self.sync_later(index);
    }

    pub(super) fn budget_changed(&mut self, index: usize) {
        self.touch(Key::Budget(index));
        self.budgets[index].object.revision = self.log.last.to_string();
    }

    pub(super) fn pods_of_budget(&self, index: usize) -> impl Iterator<Item = &SimPod> {
        let workloads = self.budgets[index].workloads.iter();
        workloads.flat_map(|workload| &self.workloads[*workload].pods).filter_map(|key| self.pods.get(key))
    }

    /// Pods that are Ready, not leaving, and not counted apart.
    fn healthy(&self, index: usize, apart: impl Fn(&SimPod) -> bool) -> i32 {
        let healthy = |pod: &&SimPod| pod.object.ready && pod.object.deletion.is_none() && !apart(pod);
        count(self.pods_of_budget(index).filter(healthy).count())
    }

    /// Pods that are expected and pods that must be healthy; both percentages round up.
    fn arithmetic(&self, index: usize) -> Result<(i32, i32), String> {
        let budget = &self.budgets[index];
        match budget.object.rule {
            PdbRule::MinAvailable(IntOrPercent::Int(must_stay)) => {
                Ok((count(self.pods_of_budget(index).count()), to_i32(must_stay)))
            }
            PdbRule::MinAvailable(share @ IntOrPercent::Percent(_)) => {
                let expected = self.expected_scale(index)?;
                Ok((to_i32(expected), to_i32(share.of(expected, Rounding::Up))))
            }
            PdbRule::MaxUnavailable(out) => {
                let expected = self.expected_scale(index)?;
                Ok((to_i32(expected), to_i32(expected.saturating_sub(out.of(expected, Rounding::Up)))))
            }
        }
    }

    /// The sum of the scales of the controllers of these pods; bare pods have none and are not counted.
    fn expected_scale(&self, index: usize) -> Result<u32, String> {
        let mut expected = 0;
        for workload in self.budgets[index].workloads.iter().map(|workload| &self.workloads[*workload]) {
            if workload.pods.is_empty() {
                continue;
            }
            expected += match workload.spec.kind {
                WorkloadKind::Deployment | WorkloadKind::StatefulSet => workload.replicas,
                WorkloadKind::DaemonSet => {
                    return Err("daemonsets.apps does not implement the scale subresource".into());
                }
                WorkloadKind::Job => return Err("jobs.batch does not implement the scale subresource".into()),
                WorkloadKind::Pod => 0,
            };
        }
        Ok(expected)
    }

    /// A pod is about to be lost: if a budget then has fewer healthy pods than it promises, that is recorded.
    pub(super) fn note_loss(&mut self, key: PodKey, by: Loss) {
        let Some(pod) = self.pods.get(&key) else { return };
        if !pod.object.ready || pod.object.deletion.is_some() {
            return;
        }
        let uid = pod.object.id.uid.clone();
        for index in self.workloads[pod.workload].budgets.clone() {
            if self.budgets[index].deleted {
                continue;
            }
            let Ok((_, desired)) = self.arithmetic(index) else { continue };
            let healthy = self.healthy(index, |pod| pod.object.id.uid == uid);
            if healthy < desired {
                let Some(pod) = self.pods.get(&key) else { continue };
                let (at, pdb, pod) = (self.now, self.budgets[index].object.id.clone(), pod.object.id.clone());
                self.facts.violations.push(Violation { at, pdb, healthy, desired, pod, by });
            }
        }
    }
}

fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}

fn to_i32(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
