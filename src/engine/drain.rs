//! Draining one node in flight: who left, who may be asked now, what holds the rest, and when patience ends.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    choose,
    draft::{Draft, WATCH_LAG, Wait},
    effect::{Effect, KubeAct},
    event::{Event, HeldPod, Note, RunOutcome, Stuck},
    flight,
    phase::NodePhase,
    rollout::Flight,
    waiting::{BudgetView, WaitingOn, rule_text},
};
use crate::{
    domain::{InstanceId, Node, Pdb, PdbRef, Pod, PodRef, Undrainable, elapsed, later},
    drain::{Fate, Hold, Turn, fate, grace_for, needs_token},
};

/// A pod that came back this often onto the cordoned node is not asked again: each time disrupts its service for
/// nothing. It counts as blocked until the timeout.
const LAND_BACKS: usize = 3;

/// An abort tries so many nodes to shrink by: nobody wants every node of a group half emptied in turn.
const SHRINK_NODES: u32 = 3;

/// After a forced deletion, this long beyond the grace it was given before the node is terminated all the same.
const FORCE_PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// The pods that hold this node.
pub(super) fn holds<'a>(
    draft: &Draft<'a>,
    flight: &'a Flight,
    node: &'a Node,
) -> impl Iterator<Item = &'a Pod> + use<'a> {
    let (policy, now) = (&draft.run.intent.policy, draft.now);
    // With force the node goes in the end, whatever keeps coming back or does not stop. What came after everything there
    // was deleted would come again.
    let had_its_time = move |pod: &Pod| {
        flight.forced_at.is_some_and(|at| {
            let came_again = lands_back(flight, pod) && pod.created_at > at;
            let outlives = pod.deletion.is_some_and(|deletion| later(deletion.due, FORCE_PATIENCE) < now);
            came_again || outlives
        })
    };
    draft.snapshot.pods_on(&node.name).filter(move |pod| match fate(pod, Some(node), policy, now) {
        Fate::Stays(_) => false,
        Fate::Leaves | Fate::Stopping => !had_its_time(pod),
        Fate::Unmanaged => true,
    })
}

/// One step of a drain.
pub(super) fn step(
    draft: &mut Draft<'_>,
    instance: &InstanceId,
    flight: &Flight,
    node: &Node,
    deadline: Timestamp,
    spent: &mut BTreeSet<PdbRef>,
) {
    let who = flight.member.title();
    if let Some(on) = flight::uncordoned(draft, flight, node) {
        // What is answered in a moment is no reason to give up.
        let for_long = matches!(on, WaitingOn::NodesOut { .. });
        if draft.now >= deadline && for_long && !draft.has_events() {
            let held = holds(draft, flight, node).map(|pod| HeldPod { pod: pod.id.clone(), on: on.clone() });
            let held: Vec<_> = held.collect();
            return give_up(draft, flight, &held);
        }
        return draft.waits(who, Wait { on: vec![on], until: Some(deadline), pods_left: None });
    }
    if !draft.snapshot.knows_pods_of(&node.name) {
        let on = vec![WaitingOn::PodList { node: node.name.clone() }];
        return draft.waits(who, Wait { on, until: Some(deadline), pods_left: None });
    }
    let holding: Vec<&Pod> = holds(draft, flight, node).collect();
    let unanswered = draft.run.asked.values().filter(|asked| **asked == node.name).count();
    if holding.is_empty() && unanswered > 0 {
        // Gone before the answer: what was asked for is told before what came of it.
        let on = vec![WaitingOn::Answers { count: u32::try_from(unanswered).unwrap_or(u32::MAX) }];
        return draft.waits(who, Wait { on, until: Some(deadline), pods_left: Some(0) });
    }
    if holding.is_empty() {
        let took = elapsed(flight.chosen_at, draft.now);
        return draft.event(Event::NodeDrained { node: node.name.clone(), pods: flight.moved, took });
    }
    let forced = flight.forced_at.is_some();
    let held = ask(draft, flight, node, &holding, forced, spent);
    // Force speaks over budgets; whom nobody would bring back needs a consent of its own. Nobody else is sent away for a
    // node that stays.
    let stays = held.iter().any(|held| matches!(held.on, WaitingOn::Unmanaged { .. }));
    let force = draft.run.intent.policy.force && !stays;
    if draft.now >= deadline && !forced {
        return if force { draft.note(Note::ForceBegan(instance.clone())) } else { give_up(draft, flight, &held) };
    }
    // A deletion that is refused for so long will be for ever; one that was accepted has its grace.
    let refused = holding.iter().any(|pod| pod.deletion.is_none());
    let patience = flight.forced_at.map(|at| later(at, draft.run.intent.policy.drain_timeout));
    if stays && forced || refused && patience.is_some_and(|end| draft.now >= end) {
        return give_up(draft, flight, &held);
    }
    let pods_left = u32::try_from(holding.len()).ok();
    let until = if forced { None } else { Some(deadline) };
    draft.waits(who, Wait { on: grouped(held), until, pods_left });
}

/// Budgets that block are worth a look at all of their pods: who of them is not Ready, and why?
pub(super) fn look_at_blocking_budgets(draft: &mut Draft<'_>) {
    for on in draft.waits.values().flat_map(|wait| &wait.on) {
        if let WaitingOn::Budget(view) = on
            && !view.never
        {
            draft.decision.watch.pods_of.insert(view.pdb.clone());
        }
    }
}

/// Notes who was asked to leave and is gone.
pub(super) fn note_departed(draft: &mut Draft<'_>, flight: &Flight, node: &Node) {
    let after = elapsed(flight.chosen_at, draft.now);
    for pod in flight.leaving.values() {
        if draft.snapshot.pod(&pod.uid).is_none() {
            draft.event(Event::PodGone { pod: pod.clone(), node: node.name.clone(), after });
        }
    }
}

/// Names the pods that are still on a node that is terminated all the same; there are some only with force.
pub(super) fn note_those_who_go_down(draft: &mut Draft<'_>, flight: &Flight, node: &Node) {
    let policy = &draft.run.intent.policy;
    for pod in draft.snapshot.pods_on(&node.name).filter(|pod| !flight.goes_down.contains(&pod.id.uid)) {
        match fate(pod, Some(node), policy, draft.now) {
            Fate::Stays(_) => {}
            Fate::Leaves | Fate::Stopping | Fate::Unmanaged => {
                draft.event(Event::PodGoesDown { pod: pod.id.clone(), node: node.name.clone() });
            }
        }
    }
}

/// Notes who came onto the node although it is cordoned; onto one that is being given back, or that somebody uncordoned,
/// pods come as they should.
pub(super) fn note_landed(draft: &mut Draft<'_>, flight: &Flight, node: &Node) {
    let Some(cordoned_at) = flight.cordoned_at.filter(|_| node.unschedulable && !is_given_back(&flight.phase)) else {
        return;
    };
    for pod in draft.snapshot.pods_on(&node.name) {
        let stays = pod.is_daemon() || pod.mirror || pod.is_finished() || flight.landed.contains_key(&pod.id.uid);
        let toleration = pod.tolerates_cordon();
        // The scheduler may bind what it saw before the cordon a moment after it.
        let since = if toleration.is_some() { flight.chosen_at } else { later(cordoned_at, WATCH_LAG) };
        if !stays && pod.created_at > since {
            let toleration = match toleration.map(|toleration| &toleration.key) {
                None => "nothing, but is bound past the scheduler (spec.nodeName)".to_owned(),
                Some(None) => "operator: Exists, without a key".to_owned(),
                Some(Some(key)) => format!("key: {key}"),
            };
            draft.event(Event::PodLandedBack { pod: pod.id.clone(), node: node.name.clone(), toleration });
        }
    }
}

fn is_given_back(phase: &NodePhase) -> bool {
    match phase {
        NodePhase::Releasing => true,
        NodePhase::Cordoning
        | NodePhase::Draining { .. }
        | NodePhase::Settling { .. }
        | NodePhase::Terminating { .. }
        | NodePhase::Replacing { .. }
        | NodePhase::Quarantined => false,
    }
}

/// Asks every pod that may be asked now; returns what holds each of the others.
fn ask(
    draft: &mut Draft<'_>,
    flight: &Flight,
    node: &Node,
    holding: &[&Pod],
    forced: bool,
    spent: &mut BTreeSet<PdbRef>,
) -> Vec<HeldPod> {
    let policy = &draft.run.intent.policy;
    let mut held = Vec::new();
    let mut order = holding.to_vec();
    // Pods that are not Ready first: they cost their budget nothing, and often free it.
    order.sort_by_key(|pod| (pod.ready, pod.id.clone()));
    for pod in order {
        let id = pod.id.clone();
        let mut hold = |on: WaitingOn| held.push(HeldPod { pod: id.clone(), on });
        match fate(pod, Some(node), policy, draft.now) {
            Fate::Stays(_) => {}
            Fate::Stopping => hold(stopping(pod, draft.now)),
            Fate::Unmanaged => hold(WaitingOn::Unmanaged { pod: id.clone() }),
            Fate::Leaves => {
                if !forced && lands_back(flight, pod) {
                    let toleration = flight.landed.get(&id.uid).cloned().unwrap_or_default();
                    let times = u32::try_from(flight.landed.len()).unwrap_or(u32::MAX);
                    hold(WaitingOn::LandsBack { pod: id.clone(), times, toleration, owner: pod.workload() });
                } else if let Some(on) = ask_one(draft, node, pod, forced, spent) {
                    hold(on);
                }
            }
        }
    }
    held
}

fn ask_one(
    draft: &mut Draft<'_>,
    node: &Node,
    pod: &Pod,
    forced: bool,
    spent: &mut BTreeSet<PdbRef>,
) -> Option<WaitingOn> {
    let snapshot = draft.snapshot;
    let policy = &draft.run.intent.policy;
    let id = pod.id.clone();
    let grace = grace_for(pod, policy);
    let around = forced || policy.disable_eviction;
    let budgets: Vec<&Pdb> = if around {
        Vec::new()
    } else {
        snapshot.budgets_of(&id.uid).iter().filter_map(|id| snapshot.pdb(id)).collect()
    };
    match draft.run.ledger.turn(pod, &budgets, draft.now) {
        Turn::Underway if !around => Some(WaitingOn::Answers { count: 1 }),
        // Asked for, or accepted and not seen yet: the watch is always a little behind.
        Turn::Underway
            if draft.run.ledger.is_deleted(&id.uid)
                || draft.run.outstanding.contains(&super::effect::EffectKey::Pod(id.uid.clone())) =>
        {
            Some(WaitingOn::Answers { count: 1 })
        }
        // Force speaks over an eviction that was accepted and had no effect.
        Turn::Underway | Turn::Now(_) if around => {
            let note = Note::EvictionSent(id.clone(), node.name.clone(), None);
            draft.act(Effect::Kube(KubeAct::DeletePod { pod: id, grace }), Some(note));
            Some(WaitingOn::Answers { count: 1 })
        }
        Turn::Underway => None,
        Turn::Now(token) => {
            // One eviction a budget in one step: the next token is counted when this one is answered.
            if let Some(token) = token.as_ref().filter(|token| token.spent)
                && !spent.insert(token.pdb.clone())
            {
                return budgets.first().map(|pdb| WaitingOn::Budget(Box::new(view(draft, pdb, pod))));
            }
            let note = Note::EvictionSent(id.clone(), node.name.clone(), token);
            draft.act(Effect::Kube(KubeAct::Evict { pod: id, grace }), Some(note));
            Some(WaitingOn::Answers { count: 1 })
        }
        Turn::Held(Hold::Budget(pdb, until)) => {
            if let Some(until) = until {
                draft.wake_at(until, &WaitingOn::Answers { count: 1 });
            }
            snapshot.pdb(&pdb).map(|pdb| WaitingOn::Budget(Box::new(view(draft, pdb, pod))))
        }
        Turn::Held(Hold::TwoBudgets(pdbs)) => Some(WaitingOn::TwoBudgets { pod: id, pdbs }),
        Turn::Held(Hold::Refusal(refusal, until)) => {
            draft.wake_at(until, &WaitingOn::Answers { count: 1 });
            Some(WaitingOn::Refused { pod: id, message: refusal.to_string(), refusal: Some(Box::new(refusal)) })
        }
    }
}

fn lands_back(flight: &Flight, pod: &Pod) -> bool {
    flight.landed.contains_key(&pod.id.uid) && flight.landed.len() >= LAND_BACKS
}

fn stopping(pod: &Pod, now: Timestamp) -> WaitingOn {
    let due = pod.deletion.map(|deletion| deletion.due);
    // The kubelet may take a moment beyond the grace period to say that it is done.
    let slack = std::time::Duration::from_secs(10);
    match due {
        Some(due) if later(due, slack) < now => {
            let kept = pod.finalizers_keep_since().is_some();
            let finalizers = if kept { pod.finalizers.clone() } else { Vec::new() };
            WaitingOn::PodsOverdue { pods: vec![pod.id.clone()], finalizers }
        }
        due => WaitingOn::PodsStopping { pods: vec![pod.id.clone()], due },
    }
}

fn give_up(draft: &mut Draft<'_>, flight: &Flight, held: &[HeldPod]) {
    let run = draft.run;
    let policy = &run.intent.policy;
    let why = Stuck::PodEviction { after: policy.drain_timeout, held: held.to_vec() };
    let just_now = draft.decision.events.iter().filter(|event| matches!(event, Event::NodeStuck { .. })).count();
    draft.event(Event::NodeStuck { member: Some(flight.member.clone()), why });
    if run.stop == Some(RunOutcome::Aborted) && flight.shrink {
        if run.unshrunk + 1 < SHRINK_NODES {
            return;
        }
        return choose::keep_size(draft, "pods would not leave the nodes it was to shrink by");
    }
    // Those on their way into quarantine count, too: nodes that were chosen together run out of patience together.
    let on_their_way = run.flights.values().filter(|flight| flight.phase == super::phase::NodePhase::Releasing).count();
    let full = run.quarantined.len() + on_their_way + just_now
        >= usize::try_from(policy.max_quarantined).unwrap_or(usize::MAX);
    if flight.shrink || full || policy.undrainable == Undrainable::Stop {
        draft.note(Note::Stopping(RunOutcome::EvictionFailed));
    }
}

/// One entry for each thing that is waited for, however many pods wait for it.
fn grouped(held: Vec<HeldPod>) -> Vec<WaitingOn> {
    let mut stopping_pods: Vec<PodRef> = Vec::new();
    let mut overdue: BTreeMap<Vec<String>, Vec<PodRef>> = BTreeMap::new();
    let mut last_due = None;
    let mut budgets: BTreeMap<PdbRef, BudgetView> = BTreeMap::new();
    let mut answers = 0;
    let mut others = Vec::new();
    for HeldPod { on, .. } in held {
        if let WaitingOn::PodsStopping { pods, due } = on {
            stopping_pods.extend(pods);
            last_due = last_due.max(due);
        } else if let WaitingOn::PodsOverdue { pods, finalizers } = on {
            overdue.entry(finalizers).or_default().extend(pods);
        } else if let WaitingOn::Budget(view) = on {
            match budgets.get_mut(&view.pdb) {
                Some(known) => known.pods.extend(view.pods),
                None => drop(budgets.insert(view.pdb.clone(), *view)),
            }
        } else if let WaitingOn::Answers { count } = on {
            answers += count;
        } else {
            others.push(on);
        }
    }
    // Causes that need a person stand before those that time will heal.
    let mut on = others;
    on.extend(overdue.into_iter().map(|(finalizers, mut pods)| {
        pods.sort();
        WaitingOn::PodsOverdue { pods, finalizers }
    }));
    on.sort();
    on.extend(budgets.into_values().map(|view| WaitingOn::Budget(Box::new(view))));
    if !stopping_pods.is_empty() {
        stopping_pods.sort();
        on.push(WaitingOn::PodsStopping { pods: stopping_pods, due: last_due });
    }
    if answers > 0 {
        on.push(WaitingOn::Answers { count: answers });
    }
    on
}

fn view(draft: &Draft<'_>, pdb: &Pdb, pod: &Pod) -> BudgetView {
    let unready = draft
        .snapshot
        .pods_of_pdb(&pdb.id)
        .unwrap_or_default()
        .iter()
        .filter(|other| !other.ready && !other.is_finished());
    let unready = unready.map(|other| {
        let place = match &other.node {
            Some(node) => format!(" on {node}"),
            None => String::new(),
        };
        let why = match (&other.trouble, other.deletion) {
            (Some(trouble), _) => format!(" ({trouble})"),
            (None, Some(_)) => " (stopping)".to_owned(),
            (None, None) => String::new(),
        };
        format!("{}{place} not Ready{why}", other.id.name)
    });
    BudgetView {
        pdb: pdb.id.clone(),
        rule: rule_text(pdb.rule),
        expected: pdb.status.expected,
        desired: pdb.status.desired,
        current: pdb.status.current,
        allowed: pdb.status.allowed,
        never: pdb.never_allows() && needs_token(pod, pdb),
        stale: !pdb.is_observed(),
        pods: vec![pod.id.clone()],
        unready: unready.collect(),
    }
}
