//! Everything seen so far, kept current one change at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{DaemonSet, DaemonSetRef, Group, InstanceId, Node, NodeName, Pdb, PdbRef, Pod, Uid, Zone};

/// One thing that was seen; adapters and the simulated world speak in these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The group was read.
    Group(Box<Group>),
    /// A Node is so.
    Node(Box<Node>),
    /// A Node is gone.
    NodeGone(NodeName),
    /// A pod on a watched node is so.
    Pod(Box<Pod>),
    /// A pod is gone.
    PodGone(Uid),
    /// The first list of this node's pods is complete; before this nobody may call the node empty.
    PodsListed(NodeName),
    /// This node's pods are no longer watched.
    PodsUnwatched(NodeName),
    /// A budget is so.
    Pdb(Box<Pdb>),
    /// A budget is gone.
    PdbGone(PdbRef),
    /// The pods that a budget counts, wherever they run; read only for budgets that block.
    PdbPods(PdbRef, Vec<Pod>),
    /// A `DaemonSet` is so.
    DaemonSet(Box<DaemonSet>),
    /// A `DaemonSet` is gone.
    DaemonSetGone(DaemonSetRef),
    /// Zones that hold volumes which cannot leave them.
    ZonalVolumes(BTreeSet<Zone>),
    /// Something that a run can go without may not be seen: which rule knows less for it, in a sentence.
    Unseen(String),
    /// The first list of everything of this kind is complete.
    Listed(Gap),
}

/// A kind of thing that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Gap {
    /// The Auto Scaling group.
    Group,
    /// The group's nodes.
    Nodes,
    /// The budgets.
    Pdbs,
    /// The `DaemonSets`.
    DaemonSets,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Group => "the group",
            Self::Nodes => "the group's nodes",
            Self::Pdbs => "the budgets",
            Self::DaemonSets => "the DaemonSets",
        })
    }
}

/// Everything seen so far.
///
/// The pods are those of watched nodes only: requests and memory follow the nodes in flight, not the cluster.
#[derive(Clone, Debug)]
pub struct Snapshot {
    group: Option<Group>,
    nodes: BTreeMap<NodeName, Node>,
    node_of: BTreeMap<InstanceId, NodeName>,
    pods: BTreeMap<Uid, Pod>,
    pods_by_node: BTreeMap<NodeName, BTreeSet<Uid>>,
    pods_listed: BTreeSet<NodeName>,
    budgets_of_pod: BTreeMap<Uid, Vec<PdbRef>>,
    pdbs: BTreeMap<PdbRef, Pdb>,
    pdb_pods: BTreeMap<PdbRef, Vec<Pod>>,
    daemon_sets: BTreeMap<DaemonSetRef, DaemonSet>,
    zonal_volumes: BTreeSet<Zone>,
    unseen: BTreeSet<String>,
    gaps: BTreeSet<Gap>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            group: None,
            nodes: BTreeMap::new(),
            node_of: BTreeMap::new(),
            pods: BTreeMap::new(),
            pods_by_node: BTreeMap::new(),
            pods_listed: BTreeSet::new(),
            budgets_of_pod: BTreeMap::new(),
            pdbs: BTreeMap::new(),
            pdb_pods: BTreeMap::new(),
            daemon_sets: BTreeMap::new(),
            zonal_volumes: BTreeSet::new(),
            unseen: BTreeSet::new(),
            gaps: BTreeSet::from([Gap::Group, Gap::Nodes, Gap::Pdbs, Gap::DaemonSets]),
        }
    }
}

impl Snapshot {
    /// Takes in one change; costs what the change costs, not what the cluster holds.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Group(group) => self.set_group(*group),
            Change::Node(node) => {
                if let Some(instance) = &node.instance {
                    self.node_of.insert(instance.clone(), node.name.clone());
                }
                self.nodes.insert(node.name.clone(), *node);
            }
            Change::NodeGone(name) => {
                let instance = self.nodes.remove(&name).and_then(|node| node.instance);
                if let Some(instance) = instance.filter(|instance| self.node_of.get(instance) == Some(&name)) {
                    self.node_of.remove(&instance);
                }
            }
            Change::Pod(pod) => self.set_pod(*pod),
            Change::PodGone(uid) => self.remove_pod(&uid),
            Change::PodsListed(node) => {
                self.pods_listed.insert(node);
            }
            Change::PodsUnwatched(node) => self.forget_pods(&node),
            Change::Pdb(pdb) => self.set_pdb(*pdb),
            Change::PdbGone(id) => {
                self.pdb_pods.remove(&id);
                if self.pdbs.remove(&id).is_some() {
                    self.match_namespace(&id.namespace);
                }
            }
            Change::PdbPods(id, pods) => {
                self.pdb_pods.insert(id, pods);
            }
            Change::DaemonSet(set) => {
                self.daemon_sets.insert(set.id.clone(), *set);
            }
            Change::DaemonSetGone(id) => {
                self.daemon_sets.remove(&id);
            }
            Change::ZonalVolumes(zones) => self.zonal_volumes = zones,
            Change::Unseen(what) => {
                self.unseen.insert(what);
            }
            Change::Listed(gap) => {
                self.gaps.remove(&gap);
            }
        }
    }

    /// What has not been read yet; nothing is decided before this is empty.
    #[must_use]
    pub fn gaps(&self) -> &BTreeSet<Gap> {
        &self.gaps
    }

    /// The group, once it has been read.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// The group's Nodes by name.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<NodeName, Node> {
        &self.nodes
    }

    /// A Node.
    #[must_use]
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// The Node of an instance.
    #[must_use]
    pub fn node_of(&self, instance: &InstanceId) -> Option<&Node> {
        self.node_of.get(instance).and_then(|name| self.nodes.get(name))
    }

    /// The pods on a watched node, in the order of their uids.
    pub fn pods_on(&self, node: &NodeName) -> impl Iterator<Item = &Pod> {
        self.pods_by_node.get(node).into_iter().flatten().filter_map(|uid| self.pods.get(uid))
    }

    /// Whether this node's pods are all known.
    #[must_use]
    pub fn knows_pods_of(&self, node: &NodeName) -> bool {
        self.pods_listed.contains(node)
    }

    /// A pod on a watched node.
    #[must_use]
    pub fn pod(&self, uid: &Uid) -> Option<&Pod> {
        self.pods.get(uid)
    }

    /// The budgets that count this pod.
    #[must_use]
    pub fn budgets_of(&self, uid: &Uid) -> &[PdbRef] {
        self.budgets_of_pod.get(uid).map_or(&[], Vec::as_slice)
    }

    /// A budget.
    #[must_use]
    pub fn pdb(&self, id: &PdbRef) -> Option<&Pdb> {
        self.pdbs.get(id)
    }

    /// All budgets.
    #[must_use]
    pub fn pdbs(&self) -> &BTreeMap<PdbRef, Pdb> {
        &self.pdbs
    }

    /// The pods a blocking budget counts, where they were read.
    #[must_use]
    pub fn pods_of_pdb(&self, id: &PdbRef) -> Option<&[Pod]> {
        self.pdb_pods.get(id).map(Vec::as_slice)
    }

    /// `DaemonSets` that want a pod on this node.
    pub fn daemon_sets_for(&self, node: &Node) -> impl Iterator<Item = &DaemonSetRef> {
        self.daemon_sets.values().filter(move |set| set.wants(node)).map(|set| &set.id)
    }

    /// Zones with volumes that cannot leave them.
    #[must_use]
    pub fn zonal_volumes(&self) -> &BTreeSet<Zone> {
        &self.zonal_volumes
    }

    /// What may not be seen and a run can go without: a sentence each.
    pub fn unseen(&self) -> impl Iterator<Item = &str> {
        self.unseen.iter().map(String::as_str)
    }

    fn set_group(&mut self, mut group: Group) {
        // A reading without activities is one that did not ask for them.
        if group.activities.is_empty()
            && let Some(known) = self.group.take()
        {
            group.activities = known.activities;
        }
        self.group = Some(group);
        self.gaps.remove(&Gap::Group);
    }

    fn set_pod(&mut self, pod: Pod) {
        let uid = pod.id.uid.clone();
        let known = self.pods.get(&uid);
        if known.is_none_or(|known| known.labels != pod.labels) {
            let budgets = self.match_pod(&pod);
            self.budgets_of_pod.insert(uid.clone(), budgets);
        }
        if let Some(node) = &pod.node {
            self.pods_by_node.entry(node.clone()).or_default().insert(uid.clone());
        }
        self.pods.insert(uid, pod);
    }

    fn remove_pod(&mut self, uid: &Uid) {
        self.budgets_of_pod.remove(uid);
        let node = self.pods.remove(uid).and_then(|pod| pod.node);
        if let Some(pods) = node.and_then(|node| self.pods_by_node.get_mut(&node)) {
            pods.remove(uid);
        }
    }

    fn forget_pods(&mut self, node: &NodeName) {
        self.pods_listed.remove(node);
        for uid in self.pods_by_node.remove(node).unwrap_or_default() {
            self.pods.remove(&uid);
            self.budgets_of_pod.remove(&uid);
        }
    }

    fn set_pdb(&mut self, pdb: Pdb) {
        let id = pdb.id.clone();
        let known = self.pdbs.insert(id.clone(), pdb);
        let same_pods = known.is_some_and(|known| known.selector == self.pdbs[&id].selector);
        if !same_pods {
            self.match_namespace(&id.namespace);
        }
    }

    fn match_namespace(&mut self, namespace: &str) {
        let matched: Vec<_> = self
            .pods
            .values()
            .filter(|pod| pod.id.namespace == namespace)
            .map(|pod| (pod.id.uid.clone(), self.match_pod(pod)))
            .collect();
        self.budgets_of_pod.extend(matched);
    }

    fn match_pod(&self, pod: &Pod) -> Vec<PdbRef> {
        let first = PdbRef { namespace: pod.id.namespace.clone(), name: String::new() };
        self.pdbs
            .range(first..)
            .take_while(|(id, _)| id.namespace == pod.id.namespace)
            .filter(|(_, pdb)| pdb.selects(pod))
            .map(|(id, _)| id.clone())
            .collect()
    }
}
