//! One launch: which zone, subnet and type, and what goes wrong.

use super::{
    Activity, ActivityStatus, AsgEventKind, AsgInstance, AutoScalingGroup, FailureReason, InstanceState, TemplateUse,
    VersionUse, activity::Why,
};
use crate::domain::{InstanceId, LaunchTemplate, Zone, later};

impl AutoScalingGroup {
    /// Launches one instance, in this zone or in whichever has the fewest; a zone that cannot is followed by the next
    /// (`balanced-best-effort`). Each attempt that fails is an activity of its own.
    pub(super) fn launch(&mut self, zone: Option<&Zone>, why: &Why) -> Option<InstanceId> {
        let counts = self.zone_counts();
        let mut zones: Vec<(u32, Zone)> = counts.into_iter().map(|(zone, count)| (count, zone)).collect();
        zones.sort();
        let candidates = zones.into_iter().map(|(_, candidate)| candidate);
        for candidate in candidates.filter(|candidate| zone.is_none_or(|zone| candidate == zone)).collect::<Vec<_>>() {
            for wanted in self.config.overrides.clone() {
                match self.try_launch(&candidate, &wanted.instance_type) {
                    Ok(subnet) => return Some(self.run_instance(candidate, subnet, wanted.instance_type, why)),
                    Err(message) => self.record_failure(message, &candidate, why),
                }
            }
        }
        None
    }

    /// The template at the number that its version means now, for this type.
    #[must_use]
    pub fn current_template(&self, instance_type: &str) -> Option<LaunchTemplate> {
        let own = self.config.overrides.iter().find(|wanted| wanted.instance_type == instance_type);
        let used = own.and_then(|wanted| wanted.template.as_ref()).unwrap_or(&self.config.launch_from);
        self.resolve(used)
    }

    /// The template at the number that its version means now.
    #[must_use]
    pub fn resolve(&self, used: &TemplateUse) -> Option<LaunchTemplate> {
        let template = self.config.templates.get(&used.id)?;
        let version = match used.version {
            VersionUse::Number(number) => number,
            VersionUse::Default => template.default,
            VersionUse::Latest => template.latest,
        };
        Some(LaunchTemplate { id: used.id.clone(), version: version.to_string() })
    }

    fn try_launch(&mut self, zone: &Zone, instance_type: &str) -> Result<String, String> {
        let subnets = self.config.subnets.iter().enumerate().filter(|(_, subnet)| subnet.zone == *zone);
        let Some((index, subnet)) = subnets.max_by_key(|(_, subnet)| subnet.free.unwrap_or(u32::MAX)) else {
            return Err(format!("No subnet in {zone}. Launching EC2 instance failed."));
        };
        let subnet_id = subnet.id.clone();
        let out_of_addresses = subnet.free == Some(0);
        let reason = self.failure(zone, instance_type);
        if let Some(reason) = reason.or(out_of_addresses.then_some(FailureReason::Addresses)) {
            let others: Vec<&str> =
                self.config.subnets.iter().map(|s| s.zone.as_str()).filter(|other| *other != zone.as_str()).collect();
            return Err(reason.message(instance_type, zone, &subnet_id, &others));
        }
        if let Some(free) = self.config.subnets.get_mut(index).and_then(|subnet| subnet.free.as_mut()) {
            *free -= 1;
        }
        Ok(subnet_id)
    }

    /// The failure that this attempt runs into, if any.
    fn failure(&mut self, zone: &Zone, instance_type: &str) -> Option<FailureReason> {
        let now = self.now;
        let failure = self.config.failures.iter_mut().find(|failure| {
            failure.zone.as_ref().is_none_or(|only| only == zone)
                && failure.instance_type.as_ref().is_none_or(|only| only == instance_type)
                && failure.from <= now
                && failure.until.is_none_or(|until| now < until)
                && failure.attempts != Some(0)
        })?;
        if let Some(attempts) = &mut failure.attempts {
            *attempts -= 1;
        }
        Some(failure.reason.clone())
    }

    fn record_failure(&mut self, message: String, zone: &Zone, why: &Why) {
        let subnet = self.config.subnets.iter().find(|subnet| subnet.zone == *zone);
        let place = subnet.map(|subnet| (subnet.id.clone(), zone.clone()));
        self.record(Activity {
            id: String::new(),
            instance: None,
            description: format!("Launching a new EC2 instance.  Status Reason: {message}"),
            cause: why.cause_of_launch(self.now),
            started_at: self.now,
            ended_at: Some(self.now),
            status: ActivityStatus::Failed,
            message: Some(message),
            progress: 100,
            place,
        });
    }

    /// What an instance is launched from now: that of the group, or one that a warm pool still has.
    fn launch_template(&self, instance_type: &str) -> Option<LaunchTemplate> {
        let template = self.current_template(instance_type)?;
        let stale = self.config.stale.filter(|(_, until)| self.now < *until);
        let version = stale.map_or(template.version, |(version, _)| version.to_string());
        Some(LaunchTemplate { id: template.id, version })
    }

    fn run_instance(&mut self, zone: Zone, subnet: String, instance_type: String, why: &Why) -> InstanceId {
        let id = self.new_id();
        let activity = self.record(Activity {
            id: String::new(),
            instance: Some(id.clone()),
            description: format!("Launching a new EC2 instance: {id}"),
            cause: why.cause_of_launch(self.now),
            started_at: self.now,
            ended_at: None,
            status: ActivityStatus::PreInService,
            message: None,
            progress: 30,
            place: Some((subnet.clone(), zone.clone())),
        });
        let template = self.launch_template(&instance_type);
        let launched = AsgEventKind::Launched {
            zone: zone.clone(),
            instance_type: instance_type.clone(),
            template: template.clone(),
        };
        let instance = AsgInstance {
            id: id.clone(),
            zone,
            subnet,
            instance_type,
            template,
            state: InstanceState::Pending,
            launched_at: self.now,
            running_since: None,
            protected: self.config.protects_new,
            healthy: true,
            repeated_terminations: 0,
            activity: Some(activity.id),
            timer: None,
            machine_lost: false,
        };
        self.instances.insert(id.clone(), instance);
        self.enter(&id, InstanceState::Pending, Some(later(self.now, self.config.delays.launch)));
        self.tell(&id, launched);
        id
    }
}
