//! Where a diagnosis looks: never at all of a cluster, only at what is to move and does not.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{limits, scene::View};
use crate::{
    domain::{Ask, Group, Instance, InstanceId, Lifecycle, Member, Node, ScalingActivity, Subject, Taint},
    engine::{Awaited, Flight, Rollout, offered_by_all_old, phase::NodePhase},
};

/// An instance that is to become a node that serves, and is none yet.
#[derive(Clone, Debug)]
pub(super) struct Comer<'a> {
    pub(super) instance: &'a Instance,
    pub(super) node: Option<&'a Node>,
    /// Whom it replaces.
    pub(super) replaces: Option<&'a Member>,
    /// Since when it is where it is in its life, as far as anybody knows.
    pub(super) since: Timestamp,
    /// How many instances that came for the same were lost before they served.
    pub(super) lost: u32,
    /// Extended resources that it must offer.
    pub(super) extended: Vec<&'a str>,
    /// Whether a run waits for it: then it counts only once it lacks nothing.
    pub(super) awaited: bool,
}

/// A launch that is to come.
#[derive(Clone, Debug)]
pub(super) struct Owed<'a> {
    /// Whom it replaces.
    pub(super) replaces: Option<&'a Member>,
    /// Since when it is missing; none where only its absence is seen.
    pub(super) since: Option<Timestamp>,
    /// How many instances that came for it were lost before they served.
    pub(super) lost: u32,
}

/// An instance that is to go, or a Node that is there without one.
#[derive(Clone, Debug)]
pub(super) struct Goer<'a> {
    pub(super) id: &'a InstanceId,
    /// Auto Scaling's word for where it is; none once the group has it no more.
    pub(super) lifecycle: Option<&'a str>,
    pub(super) node: Option<&'a Node>,
    /// Since when it is where it is, as far as anybody knows.
    pub(super) since: Timestamp,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Targets<'a> {
    /// Nodes that are to be emptied.
    pub(super) nodes: Vec<&'a Node>,
    /// Nodes in flight that are empty: what is left is that their volumes, instances and replacements move.
    pub(super) empty: Vec<&'a Flight>,
    /// Launches that are to come.
    pub(super) owed: Vec<Owed<'a>>,
    /// Instances that are to serve.
    pub(super) comers: Vec<Comer<'a>>,
    /// Instances and Nodes that are to go.
    pub(super) goers: Vec<Goer<'a>>,
}

/// What this view is about.
pub(super) fn targets<'a>(view: &View<'a>) -> Targets<'a> {
    let nodes = emptied(view);
    match view.subject {
        Subject::Run => {
            let empty: Vec<_> = view.run.into_iter().flat_map(empty).collect();
            let is_of_it = |goer: &Goer<'_>| {
                empty.iter().any(|flight| flight.member.instance == *goer.id) || is_marked_by_the_run(view, goer)
            };
            let goers = leaving(view).chain(left_behind(view)).filter(is_of_it).collect();
            let comers = awaited(view).into_iter().chain(out(view)).collect();
            Targets { nodes, owed: owed(view), comers, goers, empty }
        }
        Subject::Group | Subject::Update(_) => Targets {
            nodes,
            empty: Vec::new(),
            owed: missing(view),
            comers: members_that_come(view),
            goers: leaving(view).chain(left_behind(view)).collect(),
        },
        Subject::Nodes(_) | Subject::Pod(_) | Subject::BeforeUpgrade => Targets { nodes, ..Targets::default() },
    }
}

/// The nodes that are to be emptied, or are looked at as if they were.
fn emptied<'a>(view: &View<'a>) -> Vec<&'a Node> {
    let snapshot = view.snapshot;
    match view.subject {
        Subject::Run => {
            let flights = view.run.into_iter().flat_map(|run| run.flights().values());
            let drained = flights.filter(|flight| matches!(flight.phase, NodePhase::Draining { .. }));
            drained.filter_map(|flight| snapshot.node(flight.member.node.as_ref()?)).collect()
        }
        Subject::Group => snapshot.nodes().values().filter(|node| node.unschedulable).collect(),
        Subject::Nodes(names) => names.iter().filter_map(|name| snapshot.node(name)).collect(),
        Subject::Pod(pod) => {
            let node = snapshot.pod(&pod.uid).and_then(|pod| pod.node.as_ref());
            node.and_then(|name| snapshot.node(name)).into_iter().collect()
        }
        Subject::BeforeUpgrade => view.old.iter().filter_map(|name| snapshot.node(name)).collect(),
        Subject::Update(id) => named_by_update(view, id),
    }
}

/// The nodes that the errors of an update name, as Nodes or as their instances; the cordoned ones where they name none.
fn named_by_update<'a>(view: &View<'a>, id: &str) -> Vec<&'a Node> {
    let snapshot = view.snapshot;
    let update = view.dossier.answer(&Ask::update(Some(id))).known().and_then(Option::as_ref);
    let named: BTreeSet<&str> = update
        .iter()
        .flat_map(|update| &update.errors)
        .flat_map(|error| &error.resources)
        .map(String::as_str)
        .collect();
    let is_named = |node: &&Node| {
        named.contains(node.name.as_str()) || node.instance.as_ref().is_some_and(|id| named.contains(id.as_str()))
    };
    let nodes: Vec<_> = snapshot.nodes().values().filter(is_named).collect();
    if nodes.is_empty() { snapshot.nodes().values().filter(|node| node.unschedulable).collect() } else { nodes }
}

fn empty(run: &Rollout) -> impl Iterator<Item = &Flight> {
    run.flights().values().filter(|flight| match flight.phase {
        NodePhase::Settling { .. } | NodePhase::Terminating { .. } | NodePhase::Replacing { .. } => true,
        NodePhase::Cordoning | NodePhase::Draining { .. } | NodePhase::Releasing | NodePhase::Quarantined => false,
    })
}

fn owed<'a>(view: &View<'a>) -> Vec<Owed<'a>> {
    let awaited = view.run.into_iter().flat_map(Rollout::awaited).filter(|awaited| awaited.launched.is_none());
    awaited.map(|Awaited { replaces, since, lost, .. }| Owed { replaces, since: Some(since), lost }).collect()
}

/// New instances that a run waits for.
fn awaited<'a>(view: &View<'a>) -> Vec<Comer<'a>> {
    let awaited = view.run.into_iter().flat_map(Rollout::awaited);
    let comers = awaited.filter_map(|awaited| {
        let launched = awaited.launched?;
        let instance = view.snapshot.group()?.instances.get(launched.instance)?;
        let node = view.snapshot.node_of(launched.instance);
        let since = view.memory.stage_since(instance, node).unwrap_or(launched.seen_at);
        let Awaited { replaces, lost, .. } = awaited;
        Some(Comer { instance, node, replaces, since, lost, extended: launched.extended, awaited: true })
    });
    comers.collect()
}

/// Members that do not serve, and not because of this run, where it waits for nodes that do.
fn out<'a>(view: &View<'a>) -> Vec<Comer<'a>> {
    let Some(run) = view.run.filter(|run| run.is_short_of_nodes()) else { return Vec::new() };
    let awaited: BTreeSet<_> = run.awaited().filter_map(|awaited| Some(awaited.launched?.instance)).collect();
    let taken = run.taken();
    let mut members = members_that_come(view);
    members.retain(|comer| !awaited.contains(&comer.instance.id) && !taken.contains(&comer.instance.id));
    members
}

/// As many launches as the group is short of, where no run knows more.
fn missing<'a>(view: &View<'a>) -> Vec<Owed<'a>> {
    let missing = view.snapshot.group().map_or(0, Group::missing);
    (0..missing).map(|_| Owed { replaces: None, since: None, lost: 0 }).collect()
}

/// Members of the group that are on their way in, or in service without a node that serves.
fn members_that_come<'a>(view: &View<'a>) -> Vec<Comer<'a>> {
    let Some(group) = view.snapshot.group() else { return Vec::new() };
    let new = new_nodes(view, group);
    let offered: Vec<_> = offered_by_all_old(view.snapshot).into_iter().filter(|_| !new.is_empty()).collect();
    let members = group.instances.values().filter_map(|instance| {
        let node = view.snapshot.node_of(&instance.id);
        let awaited = new.contains(&instance.id);
        let comes = match instance.lifecycle {
            Lifecycle::Pending(_) => true,
            Lifecycle::InService => awaited || node.is_none_or(|node| !node.is_ready() || has_taint_of_the_start(node)),
            Lifecycle::Terminating(_) | Lifecycle::Apart(_) => false,
        };
        let since = since(view, group, instance, node);
        let extended = if awaited { offered.clone() } else { Vec::new() };
        let (replaces, lost) = (None, 0);
        comes.then_some(Comer { instance, node, replaces, since, lost, extended, awaited })
    });
    members.collect()
}

/// The nodes that came since a run began that somebody else looks at: it waits for them to lack nothing, and says of none
/// that it does.
fn new_nodes<'a>(view: &View<'a>, group: &'a Group) -> BTreeSet<&'a InstanceId> {
    let Some(began) = view.memory.run_began().filter(|_| view.run.is_none()) else { return BTreeSet::new() };
    let is_new = |instance: &&Instance| {
        let target = group.target.for_type(&instance.instance_type);
        instance.lifecycle == Lifecycle::InService && target.is_some() && instance.template.as_ref() == target
    };
    let nodes = group.instances.values().filter(is_new).filter_map(|instance| view.snapshot.node_of(&instance.id));
    let mut nodes: Vec<_> = nodes.filter(|node| node.is_ready() && node.created_at >= began).collect();
    nodes.sort_by_key(|node| std::cmp::Reverse(node.created_at));
    nodes.truncate(limits::NEW_NODES);
    nodes.into_iter().filter_map(|node| node.instance.as_ref()).collect()
}

fn has_taint_of_the_start(node: &Node) -> bool {
    node.taints.iter().any(Taint::is_of_the_start)
}

/// Members that are on their way out.
fn leaving<'a>(view: &View<'a>) -> impl Iterator<Item = Goer<'a>> {
    let group = view.snapshot.group();
    let members = group.into_iter().flat_map(|group| group.instances.values().map(move |instance| (group, instance)));
    members.filter_map(|(group, instance)| {
        let Lifecycle::Terminating(state) = &instance.lifecycle else { return None };
        let node = view.snapshot.node_of(&instance.id);
        let since = since(view, group, instance, node);
        Some(Goer { id: &instance.id, lifecycle: Some(state), node, since })
    })
}

/// What a run has sent away is its own until it is gone, also where its replacement serves by now.
fn is_marked_by_the_run(view: &View<'_>, goer: &Goer<'_>) -> bool {
    let marked = goer.node.and_then(|node| node.marks.run());
    view.run.is_some_and(|run| marked.as_ref() == Some(&run.intent().run))
}

/// Nodes of the group whose instance it has no more.
fn left_behind<'a>(view: &View<'a>) -> impl Iterator<Item = Goer<'a>> {
    let group = view.snapshot.group();
    view.snapshot.nodes().values().filter_map(move |node| {
        let id = node.instance.as_ref()?;
        let gone = !group?.instances.contains_key(id);
        let since = node.ready_since.unwrap_or(view.now);
        gone.then_some(Goer { id, lifecycle: None, node: Some(node), since })
    })
}

/// Since when an instance is where it is: as long as somebody looked on; whoever looks once only knows when its launch
/// or termination began.
fn since(view: &View<'_>, group: &Group, instance: &Instance, node: Option<&Node>) -> Timestamp {
    let seen = view.memory.stage_since(instance, node).unwrap_or(view.now);
    let what = match instance.lifecycle {
        Lifecycle::Pending(_) | Lifecycle::InService => "Launching",
        Lifecycle::Terminating(_) | Lifecycle::Apart(_) => "Terminating",
    };
    match (view.run, activity_of(group, &instance.id, what)) {
        (None, Some(activity)) => activity.started_at.min(seen),
        (None, None) | (Some(_), _) => seen,
    }
}

/// The newest activity of this kind that is about an instance: `Launching a new EC2 instance: i-…`.
pub(super) fn activity_of<'a>(group: &'a Group, instance: &InstanceId, what: &str) -> Option<&'a ScalingActivity> {
    let is_it = |activity: &&ScalingActivity| {
        activity.description.starts_with(what) && activity.description.contains(instance.as_str())
    };
    group.activities.iter().find(is_it)
}
