//! Instances that never became nodes: looked for among all nodes, and once more before one is terminated.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::{
    domain::{Group, InstanceId, Snapshot, later},
    engine::Rollout,
    ports::{Cluster, Outcome, Refusal},
};

/// Which instances were looked for among all nodes, and had none.
#[derive(Default)]
pub(super) struct Nodeless {
    known: BTreeSet<InstanceId>,
    asked_at: Option<Timestamp>,
    suspects: BTreeSet<InstanceId>,
}

impl Nodeless {
    /// At most so often a look through all nodes.
    const EVERY: Duration = Duration::from_mins(1);

    /// Whom to look for now, if anybody.
    pub(super) fn ask(&mut self, snapshot: &Snapshot, now: Timestamp) -> Option<BTreeSet<InstanceId>> {
        if self.suspects.is_empty() || self.asked_at.is_some_and(|at| later(at, Self::EVERY) > now) {
            return None;
        }
        self.asked_at = Some(now);
        let suspects = std::mem::take(&mut self.suspects);
        Some(suspects.into_iter().filter(|id| snapshot.node_of(id).is_none()).collect())
    }

    /// These have no node.
    pub(super) fn found(&mut self, instances: BTreeSet<InstanceId>) {
        self.known.extend(instances);
    }

    /// Marks those in the group that have none, and remembers whom to look for next.
    pub(super) fn mark(&mut self, group: &mut Group, snapshot: &Snapshot, run: &Rollout) {
        let mut suspects = BTreeSet::new();
        for instance in group.instances.values().filter(|instance| snapshot.node_of(&instance.id).is_none()) {
            // Of what the run launched nobody asks: it joins when it does.
            if run.may_take(instance, group) {
                suspects.insert(instance.id.clone());
            }
        }
        self.known.retain(|known| suspects.contains(known));
        for instance in group.instances.values_mut().filter(|instance| suspects.contains(&instance.id)) {
            if self.known.contains(&instance.id) {
                instance.no_node = true;
            } else if !instance.no_node {
                self.suspects.insert(instance.id.clone());
            }
        }
    }
}

/// An instance that never became a node is terminated without a drain: make sure that it still has none.
pub(super) async fn look_again<C: Cluster>(cluster: &C, instance: &InstanceId) -> Option<Outcome> {
    let message = match cluster.without_node(&BTreeSet::from([instance.clone()])).await {
        Ok(without) if without.contains(instance) => return None,
        Ok(_) => format!("instance/{instance} has a Node after all; it is not terminated without a drain"),
        Err(error) => format!("whether instance/{instance} has a Node cannot be told: {error}"),
    };
    Some(Outcome::Refused(Refusal::Failed { code: 0, message }))
}
