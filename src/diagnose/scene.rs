//! What rules look at: the pods that are to leave, the budgets that hold them, and the pods that use those up.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;

use super::{
    Memory, limits, pending,
    placing::{Placing, placing},
    targets::{Comer, Goer, Owed, Targets, targets},
};
use crate::{
    domain::{
        Ask, DaemonSetRef, Dossier, Instance, Known, KubeEvent, Lifecycle, Node, NodeName, Object, Pdb, PdbRef, Pod,
        Policy, Query, Snapshot, Subject, Uid, Workload, elapsed,
    },
    drain::{Fate, fate, ignores_budgets, needs_token},
    engine::{Flight, Rollout, phase::NodePhase},
};

/// Everything that a diagnosis is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// When.
    pub now: Timestamp,
    /// What was seen.
    pub snapshot: &'a Snapshot,
    /// A run that is under way.
    pub run: Option<&'a Rollout>,
    /// What was seen before.
    pub memory: &'a Memory,
    /// How a run goes, or would.
    pub policy: &'a Policy,
    /// What is asked about.
    pub subject: &'a Subject,
    /// Nodes that an upgrade would replace.
    pub old: &'a BTreeSet<NodeName>,
    /// What was asked, and answered.
    pub dossier: &'a Dossier,
}

/// A pod that is to leave its node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaver<'a> {
    pub(super) pod: &'a Pod,
    pub(super) node: &'a Node,
    pub(super) fate: Fate,
    pub(super) flight: Option<&'a Flight>,
}

/// What rules look at.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) view: View<'a>,
    /// Nodes that are looked at.
    pub(super) nodes: Vec<&'a Node>,
    /// Nodes in flight that are empty: what is left is that their volumes, instances and replacements move.
    pub(super) empty: Vec<&'a Flight>,
    /// Launches that are to come.
    pub(super) owed: Vec<Owed<'a>>,
    /// Instances that are to serve.
    pub(super) comers: Vec<Comer<'a>>,
    /// Instances and Nodes that are to go.
    pub(super) goers: Vec<Goer<'a>>,
    /// Pods that are to leave and have not left, by node.
    pub(super) leavers: Vec<Leaver<'a>>,
    /// Pods that stay although their node is emptied.
    pub(super) stayers: Vec<Leaver<'a>>,
    /// Budgets that allow none of their leavers now, and those.
    pub(super) blocked: BTreeMap<PdbRef, (&'a Pdb, Vec<&'a Pod>)>,
    /// Budgets of which several count the same leavers, and those.
    pub(super) doubled: BTreeMap<Vec<PdbRef>, Vec<&'a Pod>>,
    /// Pods that others wait for and that are not Ready, by uid.
    pub(super) unhealthy: BTreeMap<&'a Uid, &'a Pod>,
    /// Budgets that block, by the pods that they count and that are not Ready.
    counted_by: BTreeMap<&'a Uid, Vec<PdbRef>>,
    /// What had to be known while it was looked at: whoever answers that and looks again sees more.
    asked: RefCell<BTreeSet<Ask>>,
    /// Each of these is looked up by many rules for many pods, and costs a look at all nodes.
    placings: OnceCell<Vec<(&'a Pod, Placing<'a>)>>,
    expects_nodes: OnceCell<bool>,
}

impl<'a> Scene<'a> {
    /// Lays out what this view shows.
    #[must_use]
    pub(super) fn of(view: View<'a>) -> Self {
        let Targets { nodes, empty, owed, comers, goers } = targets(&view);
        let (mut leavers, mut stayers) = (Vec::new(), Vec::new());
        let mut asked = BTreeSet::new();
        for node in &nodes {
            if !view.snapshot.knows_pods_of(&node.name) {
                asked.insert(Ask::PodsOn(node.name.clone()));
            }
            let instance = node.instance.as_ref();
            let flight = view.run.and_then(|run| run.flights().get(instance?));
            for pod in view.snapshot.pods_on(&node.name).filter(|pod| is_asked_about(&view, pod)) {
                let fate = fate(pod, Some(node), view.policy, view.now);
                let leaver = Leaver { pod, node, fate, flight };
                match fate {
                    Fate::Stays(_) => stayers.push(leaver),
                    Fate::Leaves | Fate::Stopping | Fate::Unmanaged => leavers.push(leaver),
                }
            }
        }
        let mut scene = Self {
            view,
            nodes,
            empty,
            owed,
            comers,
            goers,
            leavers,
            stayers,
            blocked: BTreeMap::new(),
            doubled: BTreeMap::new(),
            unhealthy: BTreeMap::new(),
            counted_by: BTreeMap::new(),
            asked: RefCell::new(asked),
            placings: OnceCell::new(),
            expects_nodes: OnceCell::new(),
        };
        scene.ask_budgets();
        scene.look_at_the_unhealthy();
        scene
    }

    /// What budgets say to the pods that are to leave; whoever does not ask them is not held by them.
    fn ask_budgets(&mut self) {
        let snapshot = self.view.snapshot;
        if self.view.policy.disable_eviction {
            return;
        }
        for leaver in self.leavers.iter().filter(|leaver| leaver.fate == Fate::Leaves) {
            let pod = leaver.pod;
            let budgets: Vec<&Pdb> = budgets_of(snapshot, pod).collect();
            match budgets.as_slice() {
                [] => {}
                [pdb] => {
                    if needs_token(pod, pdb) && allows_none(pdb) {
                        self.blocked.entry(pdb.id.clone()).or_insert_with(|| (pdb, Vec::new())).1.push(pod);
                    }
                }
                several => {
                    if !ignores_budgets(pod) {
                        let ids = several.iter().map(|pdb| pdb.id.clone()).collect();
                        self.doubled.entry(ids).or_default().push(pod);
                    }
                }
            }
        }
    }

    fn look_at_the_unhealthy(&mut self) {
        let snapshot = self.view.snapshot;
        let counted = self.blocked.keys().filter_map(|pdb| Some((pdb, snapshot.pods_of_pdb(pdb)?)));
        let counted = counted.flat_map(|(pdb, pods)| pods.iter().map(move |pod| (pdb, pod)));
        let counted: Vec<_> = counted.filter(|(_, pod)| is_unhealthy(pod)).collect();
        for (pdb, pod) in &counted {
            self.counted_by.entry(&pod.id.uid).or_default().push((*pdb).clone());
        }
        let counted = counted.into_iter().map(|(_, pod)| pod);
        let asked_about = self.leavers.iter().map(|leaver| leaver.pod).filter(|_| self.is_about_a_pod());
        let unhealthy = counted.chain(asked_about).chain(self.placeless()).filter(|pod| is_unhealthy(pod));
        let nodes = self.comers.iter().filter_map(|comer| comer.node);
        let daemons: Vec<_> = nodes.flat_map(|node| self.daemons_that_lack(node)).collect();
        self.unhealthy = unhealthy.chain(daemons).map(|pod| (&pod.id.uid, pod)).collect();
    }

    /// The pods of a `DaemonSet` on a node.
    pub(super) fn daemon_pods(&self, set: &DaemonSetRef, node: &Node) -> Known<Vec<&'a Pod>> {
        let snapshot = self.view.snapshot;
        if snapshot.knows_pods_of(&node.name) {
            let is_its = |pod: &&Pod| {
                let owner = pod.owner.as_ref().filter(|owner| owner.kind == "DaemonSet" && owner.name == set.name);
                owner.is_some() && pod.id.namespace == set.namespace
            };
            return Known::Is(snapshot.pods_on(&node.name).filter(is_its).collect());
        }
        self.ask(&Ask::daemon_pods(&set.namespace, &set.name, &node.name)).map(|pods| pods.iter().collect())
    }

    /// Daemon pods without which a node that comes does not serve, and that are not Ready: all of them once it is Ready
    /// itself; before that the one that it needs for it.
    pub(super) fn daemons_that_lack(&self, node: &Node) -> Vec<&'a Pod> {
        let sets = self.view.snapshot.daemon_sets_for(node).filter(|set| node.is_ready() || set.is_network_plugin());
        let pods = sets.flat_map(|set| self.daemon_pods(set, node).known().into_iter().flatten());
        pods.filter(|pod| !pod.ready && pod.deletion.is_none()).collect()
    }

    /// The pod that is asked about, where no node has it.
    pub(super) fn placeless(&self) -> Option<&'a Pod> {
        match self.view.subject {
            Subject::Pod(id) => self.view.snapshot.pod(&id.uid).filter(|pod| pod.node.is_none()),
            Subject::Run | Subject::Group | Subject::Nodes(_) | Subject::BeforeUpgrade | Subject::Update(_) => None,
        }
    }

    /// Whether the group itself is asked about, beyond what a run waits for.
    pub(super) fn looks_at_the_group(&self) -> bool {
        match self.view.subject {
            Subject::Group | Subject::Update(_) => true,
            Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::BeforeUpgrade => false,
        }
    }

    pub(super) fn is_about_a_pod(&self) -> bool {
        matches!(self.view.subject, Subject::Pod(_))
    }

    /// The pods that a budget counts.
    pub(super) fn counted(&self, pdb: &PdbRef) -> Known<&'a [Pod]> {
        let watched = self.view.snapshot.pods_of_pdb(pdb);
        watched.map_or_else(|| self.ask(&Ask::pods_of(pdb)).map(Vec::as_slice), Known::Is)
    }

    /// Budgets that block and count this pod, which is not Ready.
    pub(super) fn counted_by(&self, pod: &Pod) -> &[PdbRef] {
        self.counted_by.get(&pod.id.uid).map_or(&[], Vec::as_slice)
    }

    /// Events about this very pod that are young enough to explain what is so now, the youngest last.
    pub(super) fn events_of(&self, pod: &Pod) -> Known<Vec<&'a KubeEvent>> {
        let is_young = |event: &&KubeEvent| event.last.is_none_or(|last| self.since(last) <= limits::EVENT_AGE);
        let is_its = |event: &&KubeEvent| event.about.as_ref().is_none_or(|about| *about == pod.id.uid);
        let events = self.ask(&Ask::events(&Object::Pod(pod.id.clone())));
        events.map(|events| events.iter().filter(is_young).filter(is_its).collect())
    }

    /// What a person changes to change this pod, where that is known.
    pub(super) fn workload(&self, pod: &Pod) -> Option<&'a Workload> {
        let owner = pod.workload()?;
        self.ask(&Ask::workload(&pod.id.namespace, &owner)).known()?.as_ref()
    }

    /// What was answered to this; else it will have been asked the next time.
    pub(super) fn ask<T>(&self, query: &Query<T>) -> Known<&'a T> {
        self.asked.borrow_mut().insert(query.ask.clone());
        self.view.dossier.answer(query)
    }

    /// Since when its status is known to be behind. Whoever looks only once has the server's word for when its spec was
    /// changed; a run goes by what it saw, which no clock that is wrong can make longer.
    pub(super) fn behind_since(&self, pdb: &Pdb) -> Option<Timestamp> {
        let seen = self.view.memory.behind_since(&pdb.id);
        match self.view.run {
            Some(_) => seen,
            None => pdb.spec_changed_at.or(seen),
        }
    }

    /// Since when nothing that can be seen uses this budget up. Whoever looks only once has the budget's own word.
    pub(super) fn unexplained_since(&self, pdb: &Pdb) -> Option<Timestamp> {
        match self.view.run {
            Some(_) => self.view.memory.unexplained_since(&pdb.id),
            None => pdb.status.blocked_since,
        }
    }

    /// Pods that others wait for, without a node, and why.
    pub(super) fn placings(&self) -> &[(&'a Pod, Placing<'a>)] {
        self.placings.get_or_init(|| {
            let unplaced = self.unhealthy.values().copied().filter(|pod| pending::is_unplaced(pod));
            unplaced.map(|pod| (pod, placing(self, pod))).collect()
        })
    }

    /// Whether nodes are on their way that may take what no node takes now.
    pub(super) fn expects_nodes(&self) -> bool {
        *self.expects_nodes.get_or_init(|| self.is_to_have_nodes())
    }

    fn is_to_have_nodes(&self) -> bool {
        // A member without a Node boots, for as long as that may take.
        let boots = |instance: &Instance| {
            let mut comers = self.comers.iter().filter(|comer| comer.instance.id == instance.id);
            comers.any(|comer| self.since(comer.since) < limits::NEVER_JOINED)
        };
        let coming = |instance: &Instance| {
            let node = self.view.snapshot.node_of(&instance.id);
            match &instance.lifecycle {
                Lifecycle::Pending(_) => true,
                Lifecycle::InService => {
                    node.is_none_or(|node| !node.is_ready()) && (!instance.no_node || boots(instance))
                }
                Lifecycle::Terminating(_) | Lifecycle::Apart(_) => false,
            }
        };
        // An empty node is about to be replaced, unless the group shrinks by it.
        let leaves = |flight: &Flight| match flight.phase {
            NodePhase::Settling { .. } | NodePhase::Replacing { .. } => true,
            NodePhase::Terminating { decrement, .. } => !decrement,
            NodePhase::Cordoning | NodePhase::Draining { .. } | NodePhase::Releasing | NodePhase::Quarantined => false,
        };
        let group = self.view.snapshot.group();
        self.view.run.is_some_and(|run| run.awaits_nodes() || run.flights().values().any(leaves))
            || self.empties_one()
            || group.is_some_and(|group| group.missing() > 0 || group.instances.values().any(coming))
    }

    /// Whether no budget keeps any pod of a node that a run empties: it will soon be one that is replaced, unless something
    /// else is found there. Whoever looks beside a run knows its nodes by their marks; one that a person cordoned stays.
    fn empties_one(&self) -> bool {
        let kept: BTreeSet<&Uid> = self
            .blocked
            .values()
            .flat_map(|(_, pods)| pods)
            .chain(self.doubled.values().flatten())
            .map(|pod| &pod.id.uid)
            .collect();
        let kept = self.leavers.iter().filter(|leaver| kept.contains(&leaver.pod.id.uid));
        let kept: BTreeSet<_> = kept.map(|leaver| &leaver.node.name).collect();
        let is_emptied = |node: &Node| node.unschedulable && (self.view.run.is_some() || node.marks.cordoned());
        self.nodes.iter().any(|node| is_emptied(node) && !kept.contains(&node.name))
    }

    /// All that had to be known so far.
    pub(super) fn asked(&self) -> BTreeSet<Ask> {
        self.asked.borrow().clone()
    }

    /// How long ago that was.
    pub(super) fn since(&self, moment: Timestamp) -> std::time::Duration {
        elapsed(moment, self.view.now)
    }
}

/// What a person changes to change this pod, or the pod itself where nothing controls it.
pub(super) fn behind(pod: &Pod) -> Object {
    match pod.workload() {
        Some(owner) => Object::Workload { namespace: pod.id.namespace.clone(), owner },
        None => Object::Pod(pod.id.clone()),
    }
}

/// Whether it should serve and does not, or keeps the place of one that would.
pub(super) fn is_unhealthy(pod: &Pod) -> bool {
    !pod.ready && (!pod.is_finished() || pod.keeps_its_place())
}

/// Whether a budget lets nobody go who has to ask it.
pub(super) fn allows_none(pdb: &Pdb) -> bool {
    pdb.status.allowed <= 0 || !pdb.is_observed() || pdb.status.sync_failed.is_some()
}

fn budgets_of<'a>(snapshot: &'a Snapshot, pod: &Pod) -> impl Iterator<Item = &'a Pdb> {
    snapshot.budgets_of(&pod.id.uid).iter().filter_map(|id| snapshot.pdb(id))
}

fn is_asked_about(view: &View<'_>, pod: &Pod) -> bool {
    match view.subject {
        Subject::Pod(asked) => asked.uid == pod.id.uid,
        Subject::Run | Subject::Group | Subject::Nodes(_) | Subject::BeforeUpgrade | Subject::Update(_) => true,
    }
}
