//! What EKS and EC2 tell of the group beyond Auto Scaling, and what an update left at the start.

use jiff::Timestamp;

use super::{Actor, World};
use crate::{
    domain::{
        Counts, EXCLUDE_FROM_LOAD_BALANCERS, EksUpdate, Group, HealthIssue, LaunchTarget, NodeManagerRole, Subnet,
        UpdateError,
    },
    sim::spec::{NamedNode, NodegroupSpec, UpdateSpec},
};

impl World {
    /// The update with this id; without one the newest that failed or is under way.
    pub(super) fn eks_update(&self, id: Option<&str>) -> Option<EksUpdate> {
        let wanted = |update: &EksUpdate| match id {
            Some(id) => id == update.id,
            None => update.status != "Successful",
        };
        self.eks_updates().into_iter().find(wanted)
    }

    /// All updates of the node group.
    pub(super) fn eks_updates(&self) -> Vec<EksUpdate> {
        let update = self.nodegroup().and_then(|nodegroup| nodegroup.update.as_ref());
        let update = update.map(|update| EksUpdate {
            id: update.id.clone(),
            status: update.status.clone(),
            kind: "VersionUpdate".to_owned(),
            created_at: Some(self.began(update)),
            params: update.params.clone(),
            errors: update
                .errors
                .iter()
                .map(|error| UpdateError {
                    code: error.code.clone(),
                    message: error.message.clone(),
                    resources: error.resources.iter().filter_map(|node| self.named_at_the_start(*node)).collect(),
                })
                .collect(),
        });
        update.into_iter().collect()
    }

    pub(super) fn eks_issues(&self) -> Vec<HealthIssue> {
        let Some(nodegroup) = self.nodegroup() else { return Vec::new() };
        if nodegroup.issues.is_empty() && nodegroup.status == "DEGRADED" {
            return vec![HealthIssue {
                code: "AsgInstanceLaunchFailures".to_owned(),
                message: "Instance launches of the Auto Scaling group fail".to_owned(),
                resources: Vec::new(),
            }];
        }
        let issue = |issue: &crate::sim::spec::IssueSpec| HealthIssue {
            code: issue.code.clone(),
            message: issue.message.clone(),
            resources: issue.resources.clone(),
        };
        nodegroup.issues.iter().map(issue).collect()
    }

    pub(super) fn node_manager_role(&self) -> NodeManagerRole {
        let there = self.nodegroup().is_none_or(|nodegroup| nodegroup.node_manager_role);
        NodeManagerRole { role: there, binding: there }
    }

    pub(super) fn group_subnets(&self) -> Vec<Subnet> {
        /// What a subnet has that nobody counts: a /19 that is half empty.
        const MANY: u32 = 4096;
        let subnet = |(index, subnet): (usize, &crate::sim::asg::Subnet)| Subnet {
            id: subnet.id.clone(),
            zone: subnet.zone.clone(),
            free: subnet.free.unwrap_or(MANY),
            cidr: format!("10.0.{}.0/19", index * 32),
        };
        self.asg.config().subnets.iter().enumerate().map(subnet).collect()
    }

    /// What its description says of the group beyond what Auto Scaling plays.
    pub(super) fn describe_oddities(&self, group: &mut Group) {
        if let Some(weight) = self.spec.group.weight {
            let types = self.spec.group.instance_types.iter();
            group.counts = Counts::Weights(types.map(|known| format!("{} counts {weight}", known.name)).collect());
        }
        if self.spec.group.launch_configuration {
            group.target = LaunchTarget::default();
            for instance in group.instances.values_mut() {
                instance.template = None;
            }
        }
    }

    /// Makes it look as the update left it.
    pub(super) fn boot_update(&mut self) {
        let Some(update) = self.nodegroup().and_then(|nodegroup| nodegroup.update.clone()) else { return };
        if update.left.desired > 0 {
            let at = self.began(&update);
            self.asg.was_enlarged(update.left.desired, at);
        }
        if !update.left.cordoned {
            return;
        }
        let current = self.asg.resolve(&self.asg.config().launch_from);
        let is_old = |id: &crate::domain::InstanceId| self.asg.instance(id).is_some_and(|one| one.template != current);
        let old: Vec<_> =
            self.node_of_instance.iter().filter(|(instance, _)| is_old(instance)).map(|(_, key)| *key).collect();
        for key in old {
            self.set_unschedulable(key, true, Actor::Admin);
            if let Some(node) = self.nodes.get_mut(&key) {
                node.object.labels.insert(EXCLUDE_FROM_LOAD_BALANCERS.to_owned(), "true".to_owned());
            }
            self.node_changed(key);
        }
    }

    fn nodegroup(&self) -> Option<&NodegroupSpec> {
        self.spec.group.nodegroup.as_ref()
    }

    fn began(&self, update: &UpdateSpec) -> Timestamp {
        self.start.checked_sub(update.began).unwrap_or(self.start)
    }

    /// Nodes keep their numbers: those that were there at the start have the lowest.
    fn named_at_the_start(&self, node: NamedNode) -> Option<String> {
        let mut names: Vec<&str> = self.group_nodes().map(|node| node.name.as_str()).collect();
        names.sort_unstable();
        let name = match node {
            NamedNode::First => names.first(),
            NamedNode::Last => names.last(),
        };
        name.map(|name| (*name).to_owned())
    }
}
