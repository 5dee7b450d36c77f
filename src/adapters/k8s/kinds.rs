//! The kinds that are followed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, policy::v1 as policy};
use kube::ResourceExt;
use tokio::sync::Notify;

use super::{
    convert,
    follow::Kind,
    node_cache::{NodeCache, RawNode},
};
use crate::domain::{Change, DaemonSet, DaemonSetRef, Gap, Node, NodeName, Pdb, PdbRef, Pod, Selector, Uid};

/// The group's Nodes.
pub(super) struct Nodes(pub(super) Arc<NodeCache>);

impl Kind for Nodes {
    type Object = core::Node;
    type Key = NodeName;
    type Value = Node;

    const WHAT: &'static str = "nodes";

    fn read(&mut self, object: core::Node) -> (NodeName, Node) {
        self.0.saw(&NodeName::new(object.name_any()), RawNode::of(&object));
        let node = convert::node(object);
        (node.name.clone(), node)
    }

    fn change(&self, value: Node) -> Change {
        Change::Node(Box::new(value))
    }

    fn gone(&mut self, key: &NodeName) -> Change {
        self.0.forget(key);
        Change::NodeGone(key.clone())
    }

    fn complete(&self) -> Change {
        Change::Listed(Gap::Nodes)
    }
}

/// The budgets' selectors and revisions, for whoever reads their pods, and their uids, for whoever says something of them.
#[derive(Default)]
pub(super) struct Budgets {
    known: Mutex<BTreeMap<PdbRef, Budget>>,
    /// Rung at each change.
    pub(super) changed: Notify,
}

struct Budget {
    uid: Uid,
    revision: String,
    selector: Selector,
}

impl Budgets {
    /// A budget's revision and selector.
    pub(super) fn get(&self, id: &PdbRef) -> Option<(String, Selector)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).map(|budget| (budget.revision.clone(), budget.selector.clone()))
    }

    /// A budget's uid.
    pub(super) fn uid(&self, id: &PdbRef) -> Option<Uid> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).map(|budget| budget.uid.clone())
    }

    fn set(&self, id: &PdbRef, value: Option<Budget>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => drop(known.insert(id.clone(), value)),
            None => drop(known.remove(id)),
        }
        self.changed.notify_one();
    }
}

/// All budgets.
pub(super) struct Pdbs(pub(super) Arc<Budgets>);

impl Kind for Pdbs {
    type Object = policy::PodDisruptionBudget;
    type Key = PdbRef;
    type Value = Pdb;

    const WHAT: &'static str = "poddisruptionbudgets";

    fn read(&mut self, object: policy::PodDisruptionBudget) -> (PdbRef, Pdb) {
        let uid = Uid::new(object.uid().unwrap_or_default());
        let pdb = convert::pdb(object);
        let (revision, selector) = (pdb.revision.clone(), pdb.selector.clone());
        self.0.set(&pdb.id, Some(Budget { uid, revision, selector }));
        (pdb.id.clone(), pdb)
    }

    fn change(&self, value: Pdb) -> Change {
        Change::Pdb(Box::new(value))
    }

    fn gone(&mut self, key: &PdbRef) -> Change {
        self.0.set(key, None);
        Change::PdbGone(key.clone())
    }

    fn complete(&self) -> Change {
        Change::Listed(Gap::Pdbs)
    }
}

/// All `DaemonSets`.
pub(super) struct DaemonSets;

impl Kind for DaemonSets {
    type Object = apps::DaemonSet;
    type Key = DaemonSetRef;
    type Value = DaemonSet;

    const WHAT: &'static str = "daemonsets.apps";

    fn read(&mut self, object: apps::DaemonSet) -> (DaemonSetRef, DaemonSet) {
        let set = convert::daemon_set(object);
        (set.id.clone(), set)
    }

    fn change(&self, value: DaemonSet) -> Change {
        Change::DaemonSet(Box::new(value))
    }

    fn gone(&mut self, key: &DaemonSetRef) -> Change {
        Change::DaemonSetGone(key.clone())
    }

    fn complete(&self) -> Change {
        Change::Listed(Gap::DaemonSets)
    }
}

/// The pods on one node.
pub(super) struct PodsOn(pub(super) NodeName);

impl Kind for PodsOn {
    type Object = core::Pod;
    type Key = Uid;
    type Value = Pod;

    const WHAT: &'static str = "pods";

    fn read(&mut self, object: core::Pod) -> (Uid, Pod) {
        let pod = convert::pod(object);
        (pod.id.uid.clone(), pod)
    }

    fn change(&self, value: Pod) -> Change {
        Change::Pod(Box::new(value))
    }

    fn gone(&mut self, key: &Uid) -> Change {
        Change::PodGone(key.clone())
    }

    fn complete(&self) -> Change {
        Change::PodsListed(self.0.clone())
    }
}
