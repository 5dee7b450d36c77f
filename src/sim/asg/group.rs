//! The group: what it holds, and how time moves it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{
    Activity, ActivityStatus, AsgConfig, AsgEvent, AsgEventKind, AsgInstance, HookKind, HookResult, InstanceState,
    activity::Why,
};
use crate::{
    domain::{InstanceId, LaunchTemplate, Size, later},
    sim::Rng,
};

/// How many activities are kept; `DescribeScalingActivities` pages by a hundred.
const ACTIVITIES: usize = 500;

/// An Auto Scaling group in virtual time.
#[derive(Clone, Debug)]
pub struct AutoScalingGroup {
    pub(super) config: AsgConfig,
    pub(super) size: Size,
    pub(super) instances: BTreeMap<InstanceId, AsgInstance>,
    pub(super) activities: VecDeque<Activity>,
    pub(super) timers: BTreeSet<(Timestamp, InstanceId)>,
    pub(super) outbox: Vec<AsgEvent>,
    pub(super) evaluate_at: Option<Timestamp>,
    /// Failed launches in a row, and when the next attempt may be made.
    pub(super) failed: u32,
    pub(super) not_before: Option<Timestamp>,
    /// Until then it does not see that instances are missing.
    pub(super) stalled_until: Option<Timestamp>,
    pub(super) uneven_since: Option<Timestamp>,
    /// The extra instance by which AZRebalance evens the zones out.
    pub(super) rebalancing: Option<InstanceId>,
    pub(super) rng: Rng,
    pub(super) now: Timestamp,
    pub(super) revision: u64,
}

impl AutoScalingGroup {
    /// A group at the beginning of its history, with its existing instances in service.
    #[must_use]
    pub fn new(config: AsgConfig, now: Timestamp) -> Self {
        let mut group = Self {
            size: config.size,
            rng: Rng::new(config.seed),
            instances: BTreeMap::new(),
            activities: VecDeque::new(),
            timers: BTreeSet::new(),
            outbox: Vec::new(),
            evaluate_at: Some(now),
            failed: 0,
            not_before: None,
            stalled_until: None,
            uneven_since: None,
            rebalancing: None,
            now,
            revision: 0,
            config,
        };
        for existing in group.config.existing.clone() {
            let id = group.new_id();
            let subnet = group.config.subnets.iter().find(|subnet| subnet.zone == existing.zone);
            let instance = AsgInstance {
                id: id.clone(),
                subnet: subnet.map(|subnet| subnet.id.clone()).unwrap_or_default(),
                zone: existing.zone,
                instance_type: existing.instance_type,
                template: existing.template.map(|(id, version)| LaunchTemplate { id, version: version.to_string() }),
                state: InstanceState::InService,
                launched_at: existing.launched_at,
                running_since: Some(existing.launched_at),
                protected: existing.protected,
                healthy: true,
                repeated_terminations: 0,
                activity: None,
                timer: None,
                machine_lost: false,
            };
            group.instances.insert(id, instance);
        }
        group
    }

    /// When something will happen by itself; a moment that has passed means at once.
    #[must_use]
    pub fn next_event(&self) -> Option<Timestamp> {
        if !self.outbox.is_empty() {
            return Some(self.now);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.evaluate_at].into_iter().flatten().min()
    }

    /// Lets time pass and tells what happened, requests included, in order.
    pub fn advance(&mut self, now: Timestamp) -> Vec<AsgEvent> {
        loop {
            let timer = self.timers.first().map(|(at, _)| *at).filter(|at| *at <= now);
            let evaluation = self.evaluate_at.filter(|at| *at <= now);
            match (timer, evaluation) {
                (Some(timer), evaluation) if evaluation.is_none_or(|evaluation| timer <= evaluation) => {
                    self.now = self.now.max(timer);
                    if let Some((_, id)) = self.timers.pop_first() {
                        self.move_on(&id);
                    }
                }
                (_, Some(evaluation)) => {
                    self.now = self.now.max(evaluation);
                    self.evaluate_at = None;
                    self.evaluate();
                }
                (_, None) => break,
            }
        }
        self.now = self.now.max(now);
        std::mem::take(&mut self.outbox)
    }

    /// Its sizes.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// What it is made of; suspended processes and templates as they are now.
    #[must_use]
    pub fn config(&self) -> &AsgConfig {
        &self.config
    }

    /// Its instances by id.
    #[must_use]
    pub fn instances(&self) -> &BTreeMap<InstanceId, AsgInstance> {
        &self.instances
    }

    /// One instance.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<&AsgInstance> {
        self.instances.get(id)
    }

    /// Its scaling activities, the newest first.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        self.activities.iter()
    }

    /// Changes whenever anything that a description shows has changed.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Instances that count towards the desired size.
    pub(super) fn active(&self) -> impl Iterator<Item = &AsgInstance> {
        self.instances.values().filter(|instance| instance.state.is_active())
    }

    pub(super) fn active_count(&self) -> u32 {
        u32::try_from(self.active().count()).unwrap_or(u32::MAX)
    }

    pub(super) fn new_id(&mut self) -> InstanceId {
        InstanceId::new(format!("i-0{}", self.rng.hex(16)))
    }

    pub(super) fn tell(&mut self, instance: &InstanceId, kind: AsgEventKind) {
        self.revision += 1;
        self.outbox.push(AsgEvent { at: self.now, instance: instance.clone(), kind });
    }

    pub(super) fn evaluate_by(&mut self, at: Timestamp) {
        self.evaluate_at = Some(self.evaluate_at.map_or(at, |known| known.min(at)));
    }

    pub(super) fn evaluate_soon(&mut self) {
        self.evaluate_by(later(self.now, self.config.delays.react));
    }

    /// Puts an instance into a state, to leave it by itself at `until`.
    pub(super) fn enter(&mut self, id: &InstanceId, state: InstanceState, until: Option<Timestamp>) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(timer) = instance.timer.take() {
            self.timers.remove(&(timer, id.clone()));
        }
        instance.state = state;
        instance.timer = until;
        if let Some(until) = until {
            self.timers.insert((until, id.clone()));
        }
        self.revision += 1;
    }

    fn hook(&self, kind: HookKind) -> Option<&super::Hook> {
        self.config.hooks.iter().find(|hook| hook.kind == kind)
    }

    fn wait_of_hook(&self, kind: HookKind) -> Option<Timestamp> {
        self.hook(kind).map(|hook| {
            let wait = hook.completes_after.map_or(hook.heartbeat, |after| after.min(hook.heartbeat));
            later(self.now, wait)
        })
    }

    /// An instance's timer ran out: the next state follows from the one it is in.
    fn move_on(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.timer = None;
        match instance.state {
            InstanceState::Pending => {
                instance.running_since = Some(self.now);
                self.tell(id, AsgEventKind::Running);
                match self.wait_of_hook(HookKind::Launching) {
                    Some(until) => {
                        self.enter(id, InstanceState::PendingWait, Some(until));
                        self.progress(id, ActivityStatus::MidLifecycleAction, 60);
                    }
                    None => self.put_in_service(id),
                }
            }
            InstanceState::PendingWait => {
                let hook = self.hook(HookKind::Launching);
                let result = match hook {
                    // Whoever completes a hook in time says CONTINUE; a heartbeat that runs out takes the default.
                    Some(hook) if hook.completes_after.is_none_or(|after| after > hook.heartbeat) => {
                        hook.default_result
                    }
                    Some(_) | None => HookResult::Continue,
                };
                self.end_hook(id, result);
            }
            InstanceState::Terminating | InstanceState::TerminatingWait => self.shut_down(id),
            InstanceState::TerminatingProceed => self.gone(id),
            InstanceState::InService | InstanceState::Standby | InstanceState::WarmedStopped => {}
        }
    }

    /// Ends the hook that holds an instance.
    pub(super) fn end_hook(&mut self, id: &InstanceId, result: HookResult) {
        match (self.instances.get(id).map(|instance| instance.state), result) {
            (Some(InstanceState::PendingWait), HookResult::Continue) => self.put_in_service(id),
            (Some(InstanceState::PendingWait), HookResult::Abandon) => {
                self.finish(id, ActivityStatus::Cancelled);
                self.begin_termination(id, &Why::Abandoned);
            }
            // Both results let a terminating instance go.
            (Some(InstanceState::TerminatingWait), HookResult::Continue | HookResult::Abandon) => self.shut_down(id),
            (Some(_) | None, _) => {}
        }
    }

    fn put_in_service(&mut self, id: &InstanceId) {
        self.enter(id, InstanceState::InService, None);
        self.finish(id, ActivityStatus::Successful);
        self.tell(id, AsgEventKind::InService);
        self.evaluate_soon();
    }

    /// Takes an instance out of service: through the hook where there is one.
    pub(super) fn begin_termination(&mut self, id: &InstanceId, why: &Why) -> Activity {
        let activity = self.record(Activity {
            id: String::new(),
            instance: Some(id.clone()),
            description: format!("Terminating EC2 instance: {id}"),
            cause: why.cause_of_termination(self.now, id),
            started_at: self.now,
            ended_at: None,
            status: ActivityStatus::InProgress,
            message: None,
            progress: 0,
            place: self.instances.get(id).map(|instance| (instance.subnet.clone(), instance.zone.clone())),
        });
        let mut lost = false;
        if let Some(instance) = self.instances.get_mut(id) {
            instance.activity = Some(activity.id.clone());
            lost = instance.machine_lost;
        }
        self.enter(id, InstanceState::Terminating, None);
        self.tell(id, AsgEventKind::Terminating);
        match self.wait_of_hook(HookKind::Terminating) {
            // Nothing is left to wait for once the machine itself is gone.
            Some(until) if !lost => {
                self.enter(id, InstanceState::TerminatingWait, Some(until));
                self.progress(id, ActivityStatus::MidLifecycleAction, 30);
            }
            Some(_) | None => self.shut_down(id),
        }
        if self.rebalancing.as_ref() == Some(id) {
            self.rebalancing = None;
        }
        self.evaluate_soon();
        activity
    }

    fn shut_down(&mut self, id: &InstanceId) {
        let lost = self.instances.get(id).is_some_and(|instance| instance.machine_lost);
        self.enter(id, InstanceState::TerminatingProceed, Some(later(self.now, self.config.delays.terminate)));
        self.progress(id, ActivityStatus::InProgress, 60);
        if !lost {
            self.tell(id, AsgEventKind::ShuttingDown);
        }
    }

    fn gone(&mut self, id: &InstanceId) {
        self.finish(id, ActivityStatus::Successful);
        let Some(instance) = self.instances.remove(id) else { return };
        if let Some(subnet) = self.config.subnets.iter_mut().find(|subnet| subnet.id == instance.subnet)
            && !subnet.contended
            && let Some(free) = &mut subnet.free
        {
            *free += 1;
        }
        self.tell(id, AsgEventKind::Gone);
        self.evaluate_soon();
    }

    pub(super) fn record(&mut self, mut activity: Activity) -> Activity {
        let id = self.rng.hex(32);
        activity.id = format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
        self.activities.push_front(activity.clone());
        self.activities.truncate(ACTIVITIES);
        self.revision += 1;
        activity
    }

    fn progress(&mut self, id: &InstanceId, status: ActivityStatus, progress: u8) {
        if let Some(activity) = self.activity_of(id) {
            activity.status = status;
            activity.progress = progress;
        }
    }

    fn finish(&mut self, id: &InstanceId, status: ActivityStatus) {
        let now = self.now;
        if let Some(activity) = self.activity_of(id) {
            activity.status = status;
            activity.progress = 100;
            activity.ended_at = Some(now);
        }
        if let Some(instance) = self.instances.get_mut(id) {
            instance.activity = None;
        }
    }

    fn activity_of(&mut self, id: &InstanceId) -> Option<&mut Activity> {
        let activity = self.instances.get(id)?.activity.as_ref()?;
        self.activities.iter_mut().find(|known| known.id == *activity)
    }
}
