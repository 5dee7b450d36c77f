//! Before and after: the intent, soft taints, `AZRebalance`, sizes; and everything of ours taken off again.

use super::{
    choose,
    draft::{Draft, TRIES, WATCH_LAG, Wait},
    effect::{CloudAct, Effect, EffectKey, KubeAct, Step},
    event::{Event, Note, RunOutcome, SurgeFor},
    phase::RunPhase,
    release,
    rollout::Flight,
    stopped,
    waiting::WaitingOn,
};
use crate::{
    domain::{Intent, IntentState, Lifecycle, Node, NodeMark, NodePatch, PENDING_TAINT, Process, later},
    plan::Census,
};

/// Has the cluster remember what the run means to do.
pub(super) fn remember(draft: &mut Draft<'_>) -> bool {
    let run = draft.run;
    let saved = run.saved.as_ref() == Some(&run.intent);
    if !saved {
        draft.kube(KubeAct::SaveIntent(Box::new(run.intent.clone())));
    }
    saved
}

/// Intent first, then `AZRebalance`, then soft taints, so that evicted pods go to new nodes and move once.
pub(super) fn preflight(draft: &mut Draft<'_>) {
    if let Some(stop) = &draft.run.stop {
        let untouched = draft.run.saved.is_none() && draft.run.flights.is_empty();
        if untouched {
            return end(draft, stop.clone(), &[]);
        }
        // What an earlier life of this run had in flight is brought to a safe place first.
        let phase = if draft.run.flights.is_empty() { RunPhase::ScaleDown } else { RunPhase::Roll };
        return draft.event(Event::Phase { phase });
    }
    if !remember(draft) {
        if draft.failures(&EffectKey::Intent) >= TRIES {
            let why = format!("the run's ConfigMap cannot be written: the last {TRIES} tries failed");
            return draft.note(Note::Stopping(RunOutcome::Refused { why }));
        }
        return answers(draft);
    }
    if !suspend_az_rebalance(draft) {
        return answers(draft);
    }
    let census = choose::census(draft);
    if soft_taints(draft, &census) == 0 {
        draft.event(Event::Phase { phase: RunPhase::ScaleUp });
    } else {
        answers(draft);
    }
}

/// Suspends `AZRebalance`, again if somebody resumed it; true once it is.
pub(super) fn suspend_az_rebalance(draft: &mut Draft<'_>) -> bool {
    let suspended = draft.group.suspended.contains(&Process::AzRebalance);
    if suspended || !draft.run.intent.suspended_az_rebalance || draft.run.stop.is_some() {
        return true;
    }
    if draft.failures(&EffectKey::Processes) >= TRIES {
        let why = "AZRebalance cannot be suspended, and would move nodes past every budget meanwhile".to_owned();
        draft.note(Note::Stopping(RunOutcome::Refused { why }));
    } else {
        draft.cloud(CloudAct::SuspendAzRebalance);
    }
    false
}

/// Taints old nodes whose turn has not come; returns how many are not tainted yet.
pub(super) fn soft_taints(draft: &mut Draft<'_>, census: &Census) -> usize {
    if draft.run.stop.is_some() {
        return 0;
    }
    let taint = PENDING_TAINT.taint();
    let run = draft.run.intent.run.clone();
    let mut missing = 0;
    for seat in census.candidates() {
        let Some(node) = seat.member.node.as_ref().and_then(|name| draft.snapshot.node(name)) else { continue };
        if node.taints.contains(&taint) || draft.failures(&EffectKey::Node(node.name.clone())) > 0 {
            continue;
        }
        missing += 1;
        let marks = vec![NodeMark::Run(run.clone())];
        draft.patch(&node.name, NodePatch { pending_taint: Some(true), marks, ..NodePatch::default() });
    }
    missing
}

/// Asks for extra nodes; the first old node need not wait for them where the budget allows it.
pub(super) fn scale_up(draft: &mut Draft<'_>) {
    let run = draft.run;
    let census = choose::census(draft);
    // Nodes that an earlier life of this run has in flight go without: the group would shrink by a new node in the end.
    let old = census.seats.values().filter(|seat| seat.old && !seat.taken).count();
    let wanted = run.intent.limits.surge.min(u32::try_from(old).unwrap_or(u32::MAX));
    let extra = choose::extra(draft);
    if extra < wanted && run.stop.is_none() && !run.surge_denied {
        choose::ask_for(draft, wanted - extra, SurgeFor::Load);
    }
    draft.event(Event::Phase { phase: RunPhase::Roll });
}

/// Takes everything of ours off again and ends the run.
pub(super) fn scale_down(draft: &mut Draft<'_>) {
    // What is on its way may put a mark where there is none to be seen yet.
    let unseen = draft.run.outstanding.len() + unseen_marks(draft);
    let waiting = unseen + give_nodes_back(draft) + restore_max(draft) + resume_az_rebalance(draft);
    if waiting > 0 {
        return answers(draft);
    }
    let run = draft.run;
    let left_behind = left_behind(draft);
    let (outcome, forget) = match outcome(draft) {
        outcome @ (RunOutcome::Done | RunOutcome::Aborted) if left_behind.is_empty() => (outcome, true),
        RunOutcome::Done | RunOutcome::Aborted => (RunOutcome::NotTakenBack { what: left_behind.clone() }, false),
        outcome @ (RunOutcome::NotTakenBack { .. }
        | RunOutcome::Quarantined { .. }
        | RunOutcome::EvictionFailed
        | RunOutcome::ReplacementFailed
        | RunOutcome::Refused { .. }
        | RunOutcome::Interrupted
        | RunOutcome::InvariantBroken { .. }) => (outcome, false),
    };
    let failed = draft.failures(&EffectKey::Intent) >= TRIES;
    if forget {
        if run.forgotten {
            return end(draft, outcome, &left_behind);
        }
        if failed {
            let what = vec!["the run's ConfigMap".to_owned()];
            return end(draft, RunOutcome::NotTakenBack { what }, &left_behind);
        }
        draft.kube(KubeAct::ForgetIntent);
        return answers(draft);
    }
    let why = stopped::why(&outcome, &run.stuck);
    let said = |saved: &Intent| matches!(&saved.state, IntentState::Stopped { why: known, .. } if *known == why);
    if failed || run.saved.as_ref().is_some_and(said) {
        return end(draft, outcome, &left_behind);
    }
    let state = IntentState::Stopped { at: draft.now, why };
    let suspended_az_rebalance =
        run.intent.suspended_az_rebalance && draft.group.suspended.contains(&Process::AzRebalance);
    draft.kube(KubeAct::SaveIntent(Box::new(Intent { suspended_az_rebalance, state, ..run.intent.clone() })));
    answers(draft);
}

fn outcome(draft: &Draft<'_>) -> RunOutcome {
    let run = draft.run;
    match &run.stop {
        Some(stop) => stop.clone(),
        None if run.quarantined.is_empty() => RunOutcome::Done,
        None => RunOutcome::Quarantined { nodes: run.quarantined.values().filter_map(|m| m.node.clone()).collect() },
    }
}

fn end(draft: &mut Draft<'_>, outcome: RunOutcome, left_behind: &[String]) {
    if !left_behind.is_empty() && !matches!(outcome, RunOutcome::NotTakenBack { .. }) {
        let message = format!("could not take back: {}; mngup abort tries again", left_behind.join(", "));
        draft.event(Event::Warning { message });
    }
    let census = choose::census(draft);
    let left = census.seats.values().filter(|seat| seat.old).count();
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    draft.event(Event::RunEnded { outcome, left, replaced: draft.run.replaced });
}

/// Nodes whose marks were written and that the watch has yet to show.
fn unseen_marks(draft: &mut Draft<'_>) -> usize {
    let mut unseen = 0;
    for (effect, at) in draft.run.recent.values() {
        let Effect::Kube(KubeAct::PatchNode(name, patch)) = effect else { continue };
        let Some(node) = draft.snapshot.node(name) else { continue };
        let shown = patch.marks.iter().all(|mark| node.marks.0.contains_key(mark.annotation().0));
        let patience = later(*at, WATCH_LAG);
        if !shown && patience > draft.now {
            draft.wake_at(patience, &WaitingOn::Reading);
            unseen += 1;
        }
    }
    unseen
}

fn give_nodes_back(draft: &mut Draft<'_>) -> usize {
    let marked = marked_nodes(draft);
    let mut waiting = 0;
    for node in marked {
        if draft.failures(&EffectKey::Node(node.name.clone())) < TRIES {
            draft.patch(&node.name, release::give_back(node));
            waiting += 1;
        }
    }
    waiting
}

/// Nodes of the group that stay and carry something of ours that should go.
fn marked_nodes<'a>(draft: &Draft<'a>) -> Vec<&'a Node> {
    let taint = PENDING_TAINT.taint();
    let nodes = draft.snapshot.nodes().values().filter(|node| {
        let Some(instance) = node.instance.as_ref().and_then(|id| draft.group.instances.get(id)) else { return false };
        let leaving = matches!(instance.lifecycle, Lifecycle::Terminating(_));
        let leaving = leaving || draft.run.flights.get(&instance.id).is_some_and(Flight::is_asked_to_leave);
        let kept = draft.run.quarantined.contains_key(&instance.id);
        let clean = node.marks.is_empty() && !node.taints.contains(&taint);
        !leaving && !kept && !clean
    });
    nodes.collect()
}

/// What could not be taken back in all those tries, by name.
fn left_behind(draft: &Draft<'_>) -> Vec<String> {
    let mut left: Vec<_> = marked_nodes(draft).into_iter().map(|node| format!("marks on node/{}", node.name)).collect();
    let suspended = draft.group.suspended.contains(&Process::AzRebalance);
    if draft.run.intent.suspended_az_rebalance && suspended {
        left.push("the suspension of AZRebalance".to_owned());
    }
    let (size, before) = (draft.group.size, draft.run.intent.size);
    let extra = match outcome(draft) {
        RunOutcome::Done | RunOutcome::Aborted => choose::extra(draft),
        // A run that can go on keeps them, and so does one whose quarantined nodes they stand in for.
        RunOutcome::NotTakenBack { .. }
        | RunOutcome::Quarantined { .. }
        | RunOutcome::EvictionFailed
        | RunOutcome::ReplacementFailed
        | RunOutcome::Refused { .. }
        | RunOutcome::Interrupted
        | RunOutcome::InvariantBroken { .. } => 0,
    };
    if extra > 0 {
        left.push(format!("the desired size of {}, which would be {}", size.desired, size.desired - extra));
    }
    if max_was_raised(draft) && size.desired - extra <= before.max {
        left.push(format!("the maximum of {}, which was {}", size.max, before.max));
    }
    left
}

/// Lowers the maximum again once the group has its old size; a run that can go on keeps it raised.
fn restore_max(draft: &mut Draft<'_>) -> usize {
    let (size, before) = (draft.group.size, draft.run.intent.size);
    if !max_was_raised(draft) || size.desired > before.max || draft.failures(&EffectKey::Size) >= TRIES {
        return 0;
    }
    let max = Step { from: size.max, to: before.max };
    draft.cloud(CloudAct::SetSize { desired: None, max: Some(max) });
    1
}

/// Whether the maximum is higher than it was, and no higher than the run raised it: of two raises the second may have
/// been written down and never have got there.
fn max_was_raised(draft: &Draft<'_>) -> bool {
    let (max, before) = (draft.group.size.max, draft.run.intent.size.max);
    max > before && draft.run.intent.raised_max.is_some_and(|raised| max <= raised)
}

fn resume_az_rebalance(draft: &mut Draft<'_>) -> usize {
    let suspended = draft.group.suspended.contains(&Process::AzRebalance);
    if !draft.run.intent.suspended_az_rebalance || !suspended || draft.failures(&EffectKey::Processes) >= TRIES {
        return 0;
    }
    draft.cloud(CloudAct::ResumeAzRebalance);
    1
}

fn answers(draft: &mut Draft<'_>) {
    let count = u32::try_from(draft.run.outstanding.len() + draft.decision.acts.len()).unwrap_or(u32::MAX);
    let who = draft.run.intent.group.to_string();
    draft.waits(who, Wait { on: vec![WaitingOn::Answers { count }], ..Wait::default() });
}
