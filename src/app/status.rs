//! `mngup status`: what a run has done and what it waits for, read from the cluster alone.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    driver::Ports,
    observe::{look_at_pods, observe},
};
use crate::{
    domain::{Group, Instance, Intent, IntentState, Lifecycle, Node, NodeName, Size, Snapshot},
    engine::{
        Goal, Input, Rollout,
        event::{Event, Record},
        phase::NodePhase,
    },
    plan,
    ports::{Clock, Cloud, Cluster, Lock, LockError, PortError, Watch},
    report::Holder,
};

/// A run as the cluster remembers it.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it means to do; none when no run left a trace.
    pub intent: Option<Intent>,
    /// What the cluster shows of it, in the words of its events.
    pub records: Vec<Record>,
    /// Members from the target template, and all members.
    pub new: (u32, u32),
    /// Members that are to come still: not launched yet, or launched and not serving.
    pub missing: u32,
    /// The group's size now.
    pub size: Size,
    /// Who works on the group now.
    pub holder: Holder,
}

/// Reads it. Writes nothing and needs no lock.
///
/// # Errors
/// When group or cluster cannot be read.
pub async fn status<C: Cluster, A: Cloud, K: Clock, L: Lock>(ports: &Ports<C, A, K, L>) -> Result<Status, PortError> {
    let seen = observe(ports).await?;
    let mut snapshot = seen.snapshot;
    let Some(group) = snapshot.group() else {
        return Err(PortError::NotFound { what: "the group".to_owned(), others: Vec::new() });
    };
    let old = group.instances.values().filter(|instance| plan::evidence(instance, group).is_some()).count();
    let count = |members: usize| u32::try_from(members).unwrap_or(u32::MAX);
    let new = (count(group.instances.len() - old), count(group.instances.len()));
    let holder = match ports.lock.look().await {
        Err(LockError::Held { holder, .. }) => Holder::Somebody(holder),
        // Whoever may look at nodes may perhaps not look at leases.
        Err(LockError::Port(_)) => Holder::Unknown,
        Ok(()) | Err(LockError::Lost { .. }) => Holder::Nobody,
    };
    let missing = missing(&snapshot, group);
    let mut status = Status { intent: seen.intent, records: Vec::new(), new, missing, size: group.size, holder };
    let Some(intent) = status.intent.clone() else { return Ok(status) };
    // The engine itself says what it would wait for: decide, and do nothing of it. A second look has the pods.
    let now = ports.clock.now();
    let (watch, _) = rehearse(&intent, &snapshot, now);
    look_at_pods(ports, &mut snapshot, &watch).await?;
    let (watch, _) = rehearse(&intent, &snapshot, now);
    look_at_pods(ports, &mut snapshot, &watch).await?;
    let (_, records) = rehearse(&intent, &snapshot, now);
    status.records = records;
    Ok(status)
}

fn missing(snapshot: &Snapshot, group: &Group) -> u32 {
    let serves = |instance: &Instance| {
        instance.lifecycle == Lifecycle::InService && snapshot.node_of(&instance.id).is_some_and(Node::is_ready)
    };
    let new = group.instances.values().filter(|instance| plan::evidence(instance, group).is_none());
    let coming = new.filter(|instance| !serves(instance)).count();
    group.missing().saturating_add(u32::try_from(coming).unwrap_or(u32::MAX))
}

fn rehearse(intent: &Intent, snapshot: &Snapshot, now: Timestamp) -> (Watch, Vec<Record>) {
    let mut records = begun(intent, snapshot);
    records.extend(quarantined(snapshot));
    if intent.state != IntentState::Rolling {
        return (Watch::default(), records);
    }
    let mut run = Rollout::resume(intent.clone(), intent.clone(), Goal::Upgrade, snapshot, now);
    for flight in run.flights().values() {
        let Some(node) = flight.member.node.clone() else { continue };
        let chosen = Event::NodeChosen {
            member: flight.member.clone(),
            available: 0,
            required: 0,
            shrink: false,
            extended: std::collections::BTreeMap::new(),
        };
        records.push(Record { at: flight.chosen_at, event: chosen });
        records.push(Record { at: flight.chosen_at, event: Event::NodeCordoned { node, ours: true } });
        if let NodePhase::Terminating { since, decrement, .. } = flight.phase {
            let event = Event::Terminating { member: flight.member.clone(), decrement };
            records.push(Record { at: since, event });
        }
    }
    let known: BTreeSet<_> = run.flights().values().filter_map(|flight| flight.member.node.clone()).collect();
    let mut watch = Watch::default();
    // Bounded: each round takes a node at most one phase further, and nothing is done in between.
    for _ in 0..16 {
        let decision = run.decide(now, snapshot, Input::Tick);
        watch = decision.watch;
        if decision.events.is_empty() {
            break;
        }
        for event in decision.events {
            run.evolve(now, &event);
            records.extend(seen(event, &known).map(|event| Record { at: now, event }));
        }
    }
    (watch, records)
}

/// Nodes that stay cordoned, whether the run goes on or has stopped.
fn quarantined(snapshot: &Snapshot) -> impl Iterator<Item = Record> {
    snapshot.nodes().values().filter_map(|node| {
        let event = Event::NodeQuarantined { node: node.name.clone() };
        node.marks.quarantined_at().map(|at| Record { at, event })
    })
}

/// What a rehearsal says of the run as it is, and not of what it would do next.
fn seen(event: Event, known: &BTreeSet<NodeName>) -> Option<Event> {
    if let Event::Waiting { who, on, since, pods_left, .. } = event {
        // Whoever would be chosen next waits for nothing yet. Patience began when the run did, or was resumed, and not
        // with this look.
        let of_others = who.strip_prefix("node/").is_some_and(|name| !known.contains(&NodeName::new(name)));
        return (!of_others).then_some(Event::Waiting { who, on, since, until: None, pods_left });
    }
    let emptied = matches!(&event, Event::NodeDrained { node, .. } if known.contains(node));
    emptied.then_some(event)
}

fn begun(intent: &Intent, snapshot: &Snapshot) -> Vec<Record> {
    let old = plan::old_nodes(snapshot, &intent.policy);
    let event = Event::RunResumed { intent: Box::new(intent.clone()), old };
    vec![Record { at: intent.started_at, event }]
}
