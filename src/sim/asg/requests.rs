//! What others ask of the group, and what it answers.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Activity, ActivityStatus, AsgError, AsgEventKind, AutoScalingGroup, HookResult, InstanceState, LaunchFailure,
    TemplateUse, activity::Why,
};
use crate::domain::{InstanceId, Process, Size};

impl AutoScalingGroup {
    /// `TerminateInstanceInAutoScalingGroup`. An instance that is terminating already is left to it.
    ///
    /// # Errors
    /// When the instance is unknown or waits in a warm pool, or the group would shrink below its minimum.
    pub fn terminate(&mut self, id: &InstanceId, decrement: bool, now: Timestamp) -> Result<Activity, AsgError> {
        self.at(now);
        let size = self.size;
        let Some(instance) = self.instances.get_mut(id) else { return Err(AsgError::UnknownInstance(id.clone())) };
        if instance.state == InstanceState::WarmedStopped {
            return Err(AsgError::WrongState(id.clone(), instance.state));
        }
        if instance.state.is_leaving() {
            instance.repeated_terminations += 1;
            let known = instance.activity.clone();
            let activity = self.activities.iter().find(|activity| Some(&activity.id) == known.as_ref()).cloned();
            return activity.ok_or_else(|| AsgError::UnknownInstance(id.clone()));
        }
        // An instance that stands by was taken off the desired size when it stepped aside.
        let shrinks = decrement && instance.state.is_active();
        if shrinks && size.desired <= size.min {
            return Err(AsgError::WouldViolateMinSize(size.min));
        }
        let change = shrinks.then(|| (size.desired, size.desired - 1));
        if let Some((_, to)) = change {
            self.size.desired = to;
        }
        Ok(self.begin_termination(id, &Why::UserRequest { decrement: change }))
    }

    /// `SetDesiredCapacity`.
    ///
    /// # Errors
    /// When it is outside of minimum and maximum.
    pub fn set_desired(&mut self, desired: u32, now: Timestamp) -> Result<(), AsgError> {
        self.at(now);
        if desired > self.size.max {
            return Err(AsgError::AboveMax(desired, self.size.max));
        }
        if desired < self.size.min {
            return Err(AsgError::BelowMin(desired, self.size.min));
        }
        self.resize(Size { desired, ..self.size });
        Ok(())
    }

    /// `UpdateAutoScalingGroup`, its sizes: a desired size that is not named follows the new bounds.
    ///
    /// # Errors
    /// When the sizes contradict each other.
    pub fn update_size(
        &mut self,
        min: Option<u32>,
        max: Option<u32>,
        desired: Option<u32>,
        now: Timestamp,
    ) -> Result<(), AsgError> {
        self.at(now);
        let (min, max) = (min.unwrap_or(self.size.min), max.unwrap_or(self.size.max));
        if max < min {
            return Err(AsgError::MaxBelowMin { min, max });
        }
        let desired = match desired {
            Some(desired) if desired < min || desired > max => {
                return Err(AsgError::DesiredOutOfBounds { desired, min, max });
            }
            Some(desired) => desired,
            None => self.size.desired.clamp(min, max),
        };
        self.resize(Size { min, desired, max });
        Ok(())
    }

    /// Until then the group does not see that instances are missing, as it sometimes does not.
    pub(crate) fn stall(&mut self, until: Timestamp) {
        self.stalled_until = Some(until);
    }

    /// Somebody made it want this many more, at a moment before its history begins, and it launched them.
    pub fn was_enlarged(&mut self, by: u32, at: Timestamp) {
        let (desired, Size { min, max, .. }) = (self.size.desired, self.size);
        let former = desired.saturating_sub(by);
        for from in former..desired {
            self.record(Activity {
                id: String::new(),
                instance: None,
                description: "Launching a new EC2 instance".to_owned(),
                cause: format!(
                    "At {at} a user request update of AutoScalingGroup constraints to min: {min}, max: {max}, desired: \
                     {desired} changing the desired capacity from {former} to {desired}. At {at} an instance was started \
                     in response to a difference between desired and actual capacity, increasing the capacity from {from} \
                     to {}.",
                    from + 1
                ),
                started_at: at,
                ended_at: Some(at),
                status: ActivityStatus::Successful,
                message: None,
                progress: 100,
                place: None,
            });
        }
    }

    /// `SuspendProcesses`; no names suspends all.
    pub fn suspend(&mut self, processes: &[Process], now: Timestamp) {
        self.at(now);
        self.config.suspended.extend(named(processes));
        self.revision += 1;
        self.evaluate_soon();
    }

    /// `ResumeProcesses`; no names resumes all.
    pub fn resume(&mut self, processes: &[Process], now: Timestamp) {
        self.at(now);
        for process in named(processes) {
            self.config.suspended.remove(&process);
        }
        self.revision += 1;
        self.evaluate_soon();
    }

    /// `CompleteLifecycleAction`.
    ///
    /// # Errors
    /// When no hook holds the instance.
    pub fn complete_lifecycle_action(
        &mut self,
        id: &InstanceId,
        result: HookResult,
        now: Timestamp,
    ) -> Result<(), AsgError> {
        self.at(now);
        let state = self.instances.get(id).map(|instance| instance.state);
        if !matches!(state, Some(InstanceState::PendingWait | InstanceState::TerminatingWait)) {
            return Err(AsgError::NoLifecycleAction(id.clone(), None));
        }
        self.end_hook(id, result);
        Ok(())
    }

    /// `SetInstanceProtection`: from scale-in and AZRebalance, not from a termination by request.
    ///
    /// # Errors
    /// When the instance is unknown.
    pub fn protect(&mut self, id: &InstanceId, protected: bool, now: Timestamp) -> Result<(), AsgError> {
        self.at(now);
        let instance = self.instances.get_mut(id).ok_or_else(|| AsgError::UnknownInstance(id.clone()))?;
        instance.protected = protected;
        self.revision += 1;
        // A group that was to shrink and could not may now.
        self.evaluate_soon();
        Ok(())
    }

    /// `CancelInstanceRefresh`: what it has replaced stays so.
    ///
    /// # Errors
    /// When none is under way.
    pub fn cancel_instance_refresh(&mut self, now: Timestamp) -> Result<(), AsgError> {
        self.at(now);
        match self.config.instance_refresh.as_deref() {
            Some("Pending" | "InProgress" | "Baking") => {
                self.config.instance_refresh = Some("Cancelled".to_owned());
                self.revision += 1;
                Ok(())
            }
            Some(_) | None => Err(AsgError::NoInstanceRefresh(self.config.name.clone())),
        }
    }

    /// `EnterStandby`: the instance steps aside, and is replaced unless the desired size goes down with it.
    ///
    /// # Errors
    /// When the instance is unknown or not in service, or the group would shrink below its minimum.
    pub fn enter_standby(&mut self, id: &InstanceId, decrement: bool, now: Timestamp) -> Result<(), AsgError> {
        self.at(now);
        let instance = self.instances.get(id).ok_or_else(|| AsgError::UnknownInstance(id.clone()))?;
        if instance.state != InstanceState::InService {
            return Err(AsgError::WrongState(id.clone(), instance.state));
        }
        if decrement && self.size.desired <= self.size.min {
            return Err(AsgError::WouldViolateMinSize(self.size.min));
        }
        if decrement {
            self.size.desired -= 1;
        }
        self.enter(id, InstanceState::Standby, None);
        self.evaluate_soon();
        Ok(())
    }

    /// Puts an instance into a state that only its owner's hand or a warm pool brings about.
    pub fn place(&mut self, id: &InstanceId, state: InstanceState, now: Timestamp) {
        self.at(now);
        self.enter(id, state, None);
        self.evaluate_soon();
    }

    /// EC2 takes the machine away: a spot interruption, or a host that dies. The group notices at once.
    ///
    /// # Errors
    /// When the instance is unknown.
    pub fn interrupt(&mut self, id: &InstanceId, now: Timestamp) -> Result<(), AsgError> {
        self.at(now);
        let instance = self.instances.get_mut(id).ok_or_else(|| AsgError::UnknownInstance(id.clone()))?;
        if instance.machine_lost || instance.state == InstanceState::TerminatingProceed {
            return Ok(());
        }
        let leaving = instance.state.is_leaving();
        instance.machine_lost = true;
        instance.healthy = false;
        self.tell(id, AsgEventKind::ShuttingDown);
        if leaving {
            // The hook has nothing left to hold.
            self.end_hook(id, HookResult::Continue);
        } else {
            self.begin_termination(id, &Why::HealthCheck);
        }
        Ok(())
    }

    /// Adds a failure that launches run into from now on.
    pub fn add_failure(&mut self, failure: LaunchFailure) {
        self.config.failures.push(failure);
    }

    /// Launches from this version until then.
    pub fn launch_stale(&mut self, version: u32, until: Timestamp) {
        self.config.stale = Some((version, until));
    }

    /// Takes all failures away, and lets the next attempt be made now.
    pub fn clear_failures(&mut self, now: Timestamp) {
        self.at(now);
        self.config.failures.clear();
        self.failed = 0;
        self.not_before = None;
        self.evaluate_soon();
    }

    /// Points the group at another template or version; instances that run are left alone.
    pub fn launch_from(&mut self, used: TemplateUse, now: Timestamp) {
        self.at(now);
        self.config.launch_from = used;
        self.revision += 1;
    }

    /// Creates the next version of a template, and says its number.
    pub fn new_template_version(&mut self, id: &str, make_default: bool, now: Timestamp) -> Option<u32> {
        self.at(now);
        self.revision += 1;
        let template = self.config.templates.get_mut(id)?;
        template.latest += 1;
        if make_default {
            template.default = template.latest;
        }
        Some(template.latest)
    }

    fn resize(&mut self, size: Size) {
        self.size = size;
        self.revision += 1;
        self.evaluate_soon();
    }

    fn at(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }
}

/// The processes that were named, or all of them.
fn named(processes: &[Process]) -> BTreeSet<Process> {
    const REST: [&str; 6] = [
        "AddToLoadBalancer",
        "AlarmNotification",
        "HealthCheck",
        "InstanceRefresh",
        "ReplaceUnhealthy",
        "ScheduledActions",
    ];
    if processes.is_empty() {
        let known = [Process::Launch, Process::Terminate, Process::AzRebalance];
        return known.into_iter().chain(REST.iter().map(|name| Process::parse(name))).collect();
    }
    processes.iter().cloned().collect()
}
