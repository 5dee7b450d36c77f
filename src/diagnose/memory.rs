//! What was seen before, and since when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::scene::allows_none;
use crate::domain::{Instance, InstanceId, Lifecycle, Node, PdbRef, Snapshot, Uid};

/// What only somebody knows who looked before.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Since when a budget's status is behind this generation of its spec.
    behind: BTreeMap<PdbRef, (i64, Timestamp)>,
    /// Since when a budget allows none although all of its pods that there are are Ready: a status that lags and a pod that
    /// is made anew look so for a moment.
    unexplained: BTreeMap<PdbRef, Timestamp>,
    /// Since when a pod that is to leave stays although nothing that was found holds it.
    unexplained_pods: BTreeMap<Uid, Timestamp>,
    /// Since when a member of the group is where it is on its way in or out: its lifecycle, and whether it is a Node.
    stages: BTreeMap<InstanceId, (Lifecycle, bool, Timestamp)>,
    /// When a run began that somebody else has under way, or that stopped and can go on.
    run_began: Option<Timestamp>,
}

impl Memory {
    /// Since when the status of this budget is known to be behind.
    pub(super) fn behind_since(&self, pdb: &PdbRef) -> Option<Timestamp> {
        self.behind.get(pdb).map(|(_, since)| *since)
    }

    /// Since when nothing that can be seen uses this budget up.
    pub(super) fn unexplained_since(&self, pdb: &PdbRef) -> Option<Timestamp> {
        self.unexplained.get(pdb).copied()
    }

    /// Of a run that the cluster remembers, by when it began.
    #[must_use]
    pub fn of_run(began: Timestamp) -> Self {
        Self { run_began: Some(began), ..Self::default() }
    }

    pub(super) fn run_began(&self) -> Option<Timestamp> {
        self.run_began
    }

    /// Takes note of pods that nothing holds at this moment; whoever is not among them is explained, or gone.
    pub fn note_unexplained(&mut self, pods: BTreeSet<Uid>, now: Timestamp) {
        let since = |uid: &Uid| self.unexplained_pods.get(uid).copied().unwrap_or(now);
        self.unexplained_pods = pods.into_iter().map(|uid| (uid.clone(), since(&uid))).collect();
    }

    /// Since when this pod stays although nothing holds it.
    pub(super) fn unexplained_pod_since(&self, pod: &Uid) -> Option<Timestamp> {
        self.unexplained_pods.get(pod).copied()
    }

    /// Takes note of what is seen at this moment.
    pub fn note(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let behind = snapshot.pdbs().values().filter(|pdb| !pdb.is_observed());
        let behind = behind.map(|pdb| {
            let known = self.behind.get(&pdb.id).filter(|(generation, _)| *generation == pdb.generation);
            (pdb.id.clone(), (pdb.generation, known.map_or(now, |(_, since)| *since)))
        });
        self.behind = behind.collect();
        let unexplained = snapshot.pdbs().values().filter(|pdb| allows_none(pdb)).filter(|pdb| {
            let counted = snapshot.pods_of_pdb(&pdb.id);
            counted.is_some_and(|pods| pods.iter().all(|pod| pod.ready && pod.deletion.is_none() || pod.is_finished()))
        });
        let unexplained =
            unexplained.map(|pdb| (pdb.id.clone(), self.unexplained.get(&pdb.id).copied().unwrap_or(now)));
        self.unexplained = unexplained.collect();
        self.note_stages(snapshot, now);
    }

    fn note_stages(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let members = snapshot.group().into_iter().flat_map(|group| group.instances.values());
        let moving = members.map(|instance| (instance, snapshot.node_of(&instance.id)));
        // Those that serve are the many, and nobody asks since when.
        let moving = moving
            .filter(|(instance, node)| instance.lifecycle != Lifecycle::InService || !node.is_some_and(Node::is_ready));
        let stages = moving.map(|(instance, node)| {
            let since = self.stage_since(instance, node).unwrap_or(now);
            (instance.id.clone(), (instance.lifecycle.clone(), node.is_some(), since))
        });
        self.stages = stages.collect();
    }

    /// Since when this instance is where it is in its life, as long as somebody has looked on.
    pub(super) fn stage_since(&self, instance: &Instance, node: Option<&Node>) -> Option<Timestamp> {
        let (lifecycle, joined, since) = self.stages.get(&instance.id)?;
        (*lifecycle == instance.lifecycle && *joined == node.is_some()).then_some(*since)
    }
}
