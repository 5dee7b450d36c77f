//! One node in flight: cordon, drain, settle, terminate. One match per phase.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{
    choose,
    draft::{Draft, TRIES, WATCH_LAG, Wait},
    drain,
    effect::{CloudAct, Effect, EffectKey},
    event::{Event, Note, RunOutcome},
    phase::{Call, NodePhase},
    release,
    rollout::Flight,
    waiting::WaitingOn,
};
use crate::domain::{InstanceId, Lifecycle, Node, NodeMark, NodePatch, later};

/// How long volumes may stay attached to an empty node before it is terminated all the same: the attach-detach
/// controller's own patience before it detaches by force (`pkg/controller/volume/attachdetach`, 6 minutes).
const VOLUMES_PATIENCE: Duration = Duration::from_mins(6);

/// Goes through the nodes in flight, the earliest deadline first.
pub(super) fn step_all(draft: &mut Draft<'_>) {
    let run = draft.run;
    let mut flights: Vec<_> = run.flights.iter().collect();
    flights.sort_by_key(|(_, flight)| deadline(flight));
    let mut spent = BTreeSet::new();
    for (instance, flight) in flights {
        step(draft, instance, flight, &mut spent);
    }
    drain::look_at_blocking_budgets(draft);
}

/// Whether no node is in a place that an exit now would leave half done.
pub(super) fn all_safe(draft: &Draft<'_>) -> bool {
    draft.run.flights.values().all(|flight| match flight.phase {
        NodePhase::Terminating { call, .. } => match call {
            Call::Unmarked | Call::Marked | Call::Asked | Call::Lost { .. } => false,
            Call::Accepted => true,
        },
        NodePhase::Replacing { .. } | NodePhase::Quarantined => true,
        NodePhase::Releasing => release::failed(draft, flight),
        NodePhase::Cordoning | NodePhase::Draining { .. } | NodePhase::Settling { .. } => false,
    })
}

/// Whether nothing is in flight but what cannot even be given back (no right to patch it).
pub(super) fn none_left(draft: &Draft<'_>) -> bool {
    let given_up = |flight: &Flight| flight.phase == NodePhase::Releasing && release::failed(draft, flight);
    draft.run.flights.values().all(given_up)
}

fn step(draft: &mut Draft<'_>, instance: &InstanceId, flight: &Flight, spent: &mut BTreeSet<crate::domain::PdbRef>) {
    // A name may come again with another instance: names are made of addresses.
    let node = flight.member.node.as_ref().and_then(|name| draft.snapshot.node(name));
    let node = node.filter(|node| node.instance.as_ref() == Some(instance));
    if registered_late(draft, instance, flight) {
        return draft.note(Note::Unchosen(instance.clone()));
    }
    if turns_back(draft, flight) {
        return draft.event(Event::GivingBack { member: flight.member.clone() });
    }
    if let Some(name) = &flight.member.node
        && !matches!(flight.phase, NodePhase::Replacing { .. })
    {
        draft.decision.watch.pods_on.insert(name.clone());
    }
    if let Some(node) = node.filter(|node| draft.snapshot.knows_pods_of(&node.name)) {
        let events = draft.decision.events.len();
        drain::note_departed(draft, flight, node);
        drain::note_landed(draft, flight, node);
        if draft.decision.events.len() > events {
            return;
        }
    }
    match &flight.phase {
        NodePhase::Cordoning => cordon(draft, flight, node),
        NodePhase::Draining { deadline } => match node {
            Some(node) => drain::step(draft, instance, flight, node, *deadline, spent),
            None => node_vanished(draft, instance, flight),
        },
        NodePhase::Settling { drained_at } => settle(draft, instance, flight, node, *drained_at),
        NodePhase::Terminating { since, decrement, call } => {
            terminate(draft, instance, flight, node, *since, *decrement, *call);
        }
        NodePhase::Replacing { since } => replacing(draft, flight, *since),
        NodePhase::Releasing => release::step(draft, flight, node),
        NodePhase::Quarantined => {}
    }
}

/// Whether an instance that was chosen as one that never became a Node has become one: it needs a drain like any other.
fn registered_late(draft: &Draft<'_>, instance: &InstanceId, flight: &Flight) -> bool {
    let leaves = flight.is_asked_to_leave() || matches!(flight.phase, NodePhase::Replacing { .. });
    flight.member.node.is_none() && !leaves && draft.snapshot.node_of(instance).is_some()
}

/// Whether a node that can still be given back is to be given back: the user asked to stop, or nothing replaces it.
fn turns_back(draft: &Draft<'_>, flight: &Flight) -> bool {
    let stopping = match &draft.run.stop {
        Some(RunOutcome::Interrupted | RunOutcome::ReplacementFailed | RunOutcome::Refused { .. }) => true,
        Some(RunOutcome::Aborted) => !flight.shrink,
        Some(
            RunOutcome::EvictionFailed
            | RunOutcome::Done
            | RunOutcome::NotTakenBack { .. }
            | RunOutcome::Quarantined { .. }
            | RunOutcome::InvariantBroken { .. },
        )
        | None => false,
    };
    let early = match flight.phase {
        NodePhase::Cordoning | NodePhase::Draining { .. } | NodePhase::Settling { .. } => true,
        NodePhase::Terminating { call, .. } => match call {
            Call::Unmarked | Call::Marked => true,
            Call::Asked | Call::Accepted | Call::Lost { .. } => false,
        },
        NodePhase::Replacing { .. } | NodePhase::Releasing | NodePhase::Quarantined => false,
    };
    (stopping || draft.run.asked_to_stop) && early
}

/// Cordon, load balancer label and what is remembered of both: one request.
fn cordon(draft: &mut Draft<'_>, flight: &Flight, node: Option<&Node>) {
    let Some(node) = node else { return node_vanished(draft, &flight.member.instance, flight) };
    let serves = choose::serves(draft, &flight.member.instance, node);
    let asked = draft.run.outstanding.contains(&EffectKey::Node(node.name.clone()));
    if serves && !asked && !choose::still_fits(draft) {
        // Somebody else took a node out since this one was chosen, and nothing has been done to it.
        return draft.note(Note::Unchosen(flight.member.instance.clone()));
    }
    if refused_too_often(draft, EffectKey::Node(node.name.clone()), "be cordoned") {
        return;
    }
    let mut marks = vec![NodeMark::Run(draft.run.intent.run.clone()), NodeMark::Chosen(flight.chosen_at)];
    // What somebody else did is not ours to undo; what we did in an earlier life of this run is.
    if !node.unschedulable || node.marks.cordoned() {
        marks.push(NodeMark::Cordoned);
    }
    let excluded = node.labels.contains_key(crate::domain::EXCLUDE_FROM_LOAD_BALANCERS);
    if !excluded || node.marks.excluded() {
        marks.push(NodeMark::Excluded);
    }
    let unmark = [crate::domain::key::QUARANTINED, crate::domain::key::TERMINATING]
        .into_iter()
        .filter(|key| node.marks.0.contains_key(*key))
        .map(str::to_owned)
        .collect();
    let patch = NodePatch { unschedulable: Some(true), excluded: Some(true), marks, unmark, ..NodePatch::default() };
    draft.patch(&node.name, patch);
    draft.waits(flight.member.title(), Wait { on: vec![WaitingOn::Answers { count: 1 }], ..Wait::default() });
}

/// Cordons again what somebody uncordoned; says what is waited for while the node is not seen cordoned, so that nobody
/// calls it empty.
pub(super) fn uncordoned(draft: &mut Draft<'_>, flight: &Flight, node: &Node) -> Option<WaitingOn> {
    if node.unschedulable {
        return None;
    }
    match flight.cordoned_at.map(|at| later(at, WATCH_LAG)) {
        // The watch has yet to show what was confirmed.
        Some(shown) if shown > draft.now => draft.wake_at(shown, &WaitingOn::Answers { count: 1 }),
        Some(_) => draft.event(Event::NodeUncordonedByOther { node: node.name.clone() }),
        // The mark goes first: should somebody cordon the node next, it must not say that we did.
        None if node.marks.cordoned() => {
            let unmark = [crate::domain::key::CORDONED.to_owned()].into();
            draft.patch(&node.name, NodePatch { unmark, ..NodePatch::default() });
        }
        None if choose::serves(draft, &flight.member.instance, node) && !choose::still_fits(draft) => {
            let (available, required) = choose::serving(draft);
            return Some(WaitingOn::NodesOut { available, required });
        }
        None if refused_too_often(draft, EffectKey::Node(node.name.clone()), "be cordoned") => {}
        None => {
            let marks = vec![NodeMark::Cordoned, NodeMark::Run(draft.run.intent.run.clone())];
            draft.patch(&node.name, NodePatch { unschedulable: Some(true), marks, ..NodePatch::default() });
        }
    }
    Some(WaitingOn::Answers { count: 1 })
}

/// Whether an act was refused so often that it will not be done any more; the run then stops, and says so.
fn refused_too_often(draft: &mut Draft<'_>, key: EffectKey, what: &str) -> bool {
    let often = draft.failures(&key) >= TRIES;
    if often && draft.run.stop.is_none() {
        let which = match key {
            EffectKey::Node(node) => format!("node/{node}"),
            EffectKey::Instance(instance) => format!("instance/{instance}"),
            EffectKey::Intent => "the run's ConfigMap".to_owned(),
            EffectKey::Pod(_) | EffectKey::Size | EffectKey::Processes => "it".to_owned(),
        };
        let because = crate::plan::busy(draft.group).first().map(|busy| format!(", {busy}")).unwrap_or_default();
        let why = format!("{which} cannot {what}{because}: the last {TRIES} tries failed");
        draft.note(Note::Stopping(RunOutcome::Refused { why }));
    }
    often
}

/// Whether an empty node is not to be counted on yet: it is not cordoned, or its pods are not known.
fn uncertain(draft: &mut Draft<'_>, flight: &Flight, node: &Node) -> bool {
    match uncordoned(draft, flight, node) {
        None => pods_unknown(draft, flight, node),
        // Pods come meanwhile, and it may stay so: a drain has an end.
        Some(WaitingOn::NodesOut { .. }) => {
            draft.note(Note::NotEmptyAnyMore(flight.member.instance.clone()));
            true
        }
        Some(on) => {
            draft.waits(flight.member.title(), Wait { on: vec![on], ..Wait::default() });
            true
        }
    }
}

/// Whether the list of the node's pods has yet to come: a node of which nothing is known is not an empty one.
fn pods_unknown(draft: &mut Draft<'_>, flight: &Flight, node: &Node) -> bool {
    let unknown = !draft.snapshot.knows_pods_of(&node.name);
    if unknown {
        let on = vec![WaitingOn::PodList { node: node.name.clone() }];
        draft.waits(flight.member.title(), Wait { on, ..Wait::default() });
    }
    unknown
}

fn settle(draft: &mut Draft<'_>, instance: &InstanceId, flight: &Flight, node: Option<&Node>, drained_at: Timestamp) {
    let Some(node) = node else {
        return if flight.member.node.is_some() {
            node_vanished(draft, instance, flight);
        } else {
            begin_termination(draft, instance, flight);
        };
    };
    if uncertain(draft, flight, node) {
        return;
    }
    if drain::holds(draft, flight, node).next().is_some() {
        return draft.note(Note::NotEmptyAnyMore(instance.clone()));
    }
    let policy = &draft.run.intent.policy;
    let quiet = later(drained_at, policy.post_drain_delay);
    if draft.now < quiet {
        let wait = Wait { on: vec![WaitingOn::LoadBalancers { until: quiet }], until: Some(quiet), pods_left: None };
        return draft.waits(flight.member.title(), wait);
    }
    let patience = later(drained_at, VOLUMES_PATIENCE.max(policy.post_drain_delay));
    if !node.volumes.is_empty() && draft.now < patience {
        let on = vec![WaitingOn::Volumes { volumes: node.volumes.clone(), until: patience }];
        return draft.waits(flight.member.title(), Wait { on, until: Some(patience), pods_left: None });
    }
    if !node.volumes.is_empty() {
        let message = format!(
            "node/{} is terminated with volumes still attached after {}: {}",
            node.name,
            crate::domain::short(VOLUMES_PATIENCE),
            node.volumes.join(", ")
        );
        draft.event(Event::Warning { message });
    }
    begin_termination(draft, instance, flight);
}

fn begin_termination(draft: &mut Draft<'_>, instance: &InstanceId, flight: &Flight) {
    let decrement = flight.shrink || choose::shrinks_by(draft, instance);
    draft.event(Event::Terminating { member: flight.member.clone(), decrement });
}

fn terminate(
    draft: &mut Draft<'_>,
    instance: &InstanceId,
    flight: &Flight,
    node: Option<&Node>,
    since: Timestamp,
    decrement: bool,
    call: Call,
) {
    let lifecycle = draft.group.instances.get(instance).map_or("gone", |found| match &found.lifecycle {
        Lifecycle::InService => "InService",
        Lifecycle::Pending(state) | Lifecycle::Terminating(state) | Lifecycle::Apart(state) => state,
    });
    let on = vec![WaitingOn::InstanceLeaving {
        lifecycle: lifecycle.to_owned(),
        instance: Some(instance.clone()),
        node: flight.member.node.clone(),
    }];
    draft.waits(flight.member.title(), Wait { on, ..Wait::default() });
    match (call, node) {
        (Call::Unmarked, Some(node)) => {
            if refused_too_often(draft, EffectKey::Node(node.name.clone()), "be marked") {
                return;
            }
            let marks = vec![NodeMark::Terminating(since, decrement)];
            draft.patch(&node.name, NodePatch { marks, ..NodePatch::default() });
        }
        (Call::Unmarked, None) => draft.note(Note::TerminationMarked(instance.clone())),
        (Call::Marked, _) if decrement && (draft.run.shed_denied || choose::extra(draft) == 0) => {
            not_shrunk(draft, flight);
        }
        (Call::Marked, Some(node)) if uncertain(draft, flight, node) => {}
        (Call::Marked, node) => {
            if refused_too_often(draft, EffectKey::Instance(instance.clone()), "be terminated") {
                return;
            }
            let refilled = node.is_some_and(|node| drain::holds(draft, flight, node).next().is_some());
            if refilled {
                return draft.note(Note::NotEmptyAnyMore(instance.clone()));
            }
            if let Some(node) = node {
                drain::note_those_who_go_down(draft, flight, node);
            }
            let effect = Effect::Cloud(CloudAct::Terminate { instance: instance.clone(), decrement });
            draft.act(effect, Some(Note::TerminationAsked(instance.clone(), decrement)));
        }
        (Call::Asked | Call::Accepted, _) => {}
        (Call::Lost { at }, _) => {
            let settled = later(at, choose::SETTLED_BY_READING);
            if draft.group.observed_at >= settled {
                // The reading is young enough and the instance is still here, or `departures` had seen it leave.
                draft.note(Note::TerminationNotDone(instance.clone()));
            } else {
                draft.wake_at(settled, &WaitingOn::Reading);
            }
        }
    }
}

/// The group refuses to shrink: a node that is old is replaced, one that was only too many stays.
fn not_shrunk(draft: &mut Draft<'_>, flight: &Flight) {
    draft.event(if flight.shrink {
        Event::GivingBack { member: flight.member.clone() }
    } else {
        Event::Terminating { member: flight.member.clone(), decrement: false }
    });
}

fn replacing(draft: &mut Draft<'_>, flight: &Flight, since: Timestamp) {
    let run = draft.run;
    let owed = run.owed.iter().any(|owed| owed.replaces.as_ref() == Some(&flight.member));
    let coming = run.arrivals.values().any(|arrival| arrival.replaces.as_ref() == Some(&flight.member));
    if !owed && !coming {
        let took = crate::domain::elapsed(flight.chosen_at, draft.now);
        return draft.event(Event::Replaced { member: flight.member.clone(), by: None, took });
    }
    if owed {
        let failure = draft.group.failed_launch_since(since).and_then(|activity| activity.message.clone());
        let until = Some(later(since, run.intent.policy.replacement_timeout));
        draft.waits(flight.member.title(), Wait { on: vec![WaitingOn::Launch { failure }], until, pods_left: None });
        draft.decision.watch.activities = true;
    }
}

/// The Node object is gone while its instance may still run: wait until somebody looked, then go on without it.
fn node_vanished(draft: &mut Draft<'_>, instance: &InstanceId, flight: &Flight) {
    let looked = draft.group.instances.get(instance).is_some_and(|instance| instance.no_node);
    if looked {
        return begin_termination(draft, instance, flight);
    }
    let (who, on) = (flight.member.title(), vec![WaitingOn::Reading]);
    let until = choose::patience(draft, &who, &on);
    if draft.now >= until && draft.run.stop.is_none() {
        let why = format!("{who} is no longer among the group's Nodes, and its instance is still there");
        return draft.note(Note::Stopping(RunOutcome::Refused { why }));
    }
    draft.waits(who, Wait { on, until: Some(until), pods_left: None });
}

fn deadline(flight: &Flight) -> Timestamp {
    match flight.phase {
        NodePhase::Draining { deadline, .. } => deadline,
        NodePhase::Cordoning
        | NodePhase::Settling { .. }
        | NodePhase::Terminating { .. }
        | NodePhase::Replacing { .. }
        | NodePhase::Releasing
        | NodePhase::Quarantined => flight.chosen_at,
    }
}
