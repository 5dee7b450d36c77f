//! The group in the words of the domain.

use jiff::Timestamp;

use super::{AutoScalingGroup, VersionUse};
use crate::domain::{Counts, Group, Instance, LaunchTarget};

/// How many activities a description carries: one page of `DescribeScalingActivities`.
const PAGE: usize = 100;

impl AutoScalingGroup {
    /// The group as somebody reads it now; the managed node group above it, and what is known of nodes, are the
    /// caller's to add.
    #[must_use]
    pub fn describe(&self, now: Timestamp, activities: bool) -> Group {
        let instances = self.instances.values().map(|instance| {
            let described = Instance {
                id: instance.id.clone(),
                zone: instance.zone.clone(),
                lifecycle: instance.state.lifecycle(),
                healthy: instance.healthy,
                template: instance.template.clone(),
                instance_type: instance.instance_type.clone(),
                protected: instance.protected,
                no_node: false,
            };
            (instance.id.clone(), described)
        });
        let page = if activities { PAGE } else { 0 };
        Group {
            asg: self.config.name.clone(),
            observed_at: now,
            size: self.size,
            counts: Counts::Instances,
            target: self.target(),
            instances: instances.collect(),
            suspended: self.config.suspended.clone(),
            operator: self.config.operator.clone(),
            instance_refresh: self.config.instance_refresh.clone(),
            zones: self.config.subnets.iter().map(|subnet| subnet.zone.clone()).collect(),
            activities: self.activities.iter().take(page).map(super::Activity::to_domain).collect(),
            nodegroup: None,
        }
    }

    fn target(&self) -> LaunchTarget {
        let overrides = self.config.overrides.iter().filter_map(|wanted| {
            let template = self.resolve(wanted.template.as_ref()?)?;
            Some((wanted.instance_type.clone(), template))
        });
        LaunchTarget {
            template: self.resolve(&self.config.launch_from),
            overrides: overrides.collect(),
            alias: match self.config.launch_from.version {
                VersionUse::Number(_) => None,
                VersionUse::Default => Some("$Default".to_owned()),
                VersionUse::Latest => Some("$Latest".to_owned()),
            },
        }
    }
}
