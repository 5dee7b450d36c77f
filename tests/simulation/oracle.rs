//! Judges a world that was played, from the world's own record: the engine is not asked.

use jiff::Timestamp;
use mngup::{
    domain::*,
    engine::event::{Event, RunOutcome},
    sim::{Actor, Loss, Violation, spec::FaultKind},
};

use crate::player::{Play, Played};

/// Everything that was broken; empty is good.
pub fn judge(played: &Played, play: &Play) -> Vec<String> {
    let mut broken = Vec::new();
    let facts = played.world.facts();
    let policy = &play.policy;
    for act in &facts.foreign {
        broken.push(format!("touched what is not the group's: {act}"));
    }
    for (instance, count) in facts.terminations_by_client() {
        // A call whose answer was lost is repeated only after a look; the world says when it had been heard.
        let repeated =
            facts.terminations.iter().any(|t| t.instance == *instance && t.by == Actor::Client && t.repeated);
        // Who looks late may ask for what somebody else has sent away a moment ago.
        if repeated && (count > 1 || play.lag.is_zero()) {
            broken.push(format!("{instance} was terminated {count} times"));
        }
    }
    for termination in facts.terminations.iter().filter(|t| t.by == Actor::Client && t.accepted) {
        // Whoever says --skip-wait-for-delete-timeout gives up on pods that do not stop; with force they are named. What
        // tolerates the cordon may come in the moment in which it is not seen yet.
        let unseen = |created_at: &Timestamp| later(*created_at, play.lag) > termination.at;
        let left = termination.left.iter().filter(|(pod, created_at)| !went_down(played, pod) && !unseen(created_at));
        let unnamed: Vec<_> = left.map(|(pod, _)| pod).collect();
        if policy.skip_wait_for_delete.is_none() && !unnamed.is_empty() {
            broken
                .push(format!("{} was terminated at {} with {unnamed:?} on it", termination.instance, termination.at));
        }
    }
    if !policy.force && !policy.disable_eviction {
        // Pods that tolerate everything may land on a machine that is on its way out; those that were there when its
        // termination was asked for are judged above.
        let judged =
            |violation: &&Violation| violation.by != Loss::Terminated && !lags_behind_a_loss(played, violation);
        for violation in facts.violations_by_client().filter(judged) {
            broken.push(format!("{violation:?}"));
        }
    }
    for uncordon in facts.uncordons.iter().filter(|uncordon| uncordon.by == Actor::Client) {
        if uncordon.cordoned_by != Some(Actor::Client) {
            broken.push(format!(
                "{} was uncordoned at {} though {:?} had cordoned it",
                uncordon.node, uncordon.at, uncordon.cordoned_by
            ));
        }
    }
    broken.extend(budget(played, policy));
    broken.extend(afterwards(played, play));
    broken.extend(undone(played));
    broken
}

/// Whether the run said of this pod that it goes down with its node, which only force allows.
fn went_down(played: &Played, pod: &PodRef) -> bool {
    played.records.iter().any(|record| matches!(&record.event, Event::PodGoesDown { pod: told, .. } if told == pod))
}

/// Whether this may be a budget whose status lagged behind a loss that is not ours: the API server then accepts what it
/// should not, and no client can know.
fn lags_behind_a_loss(played: &Played, violation: &Violation) -> bool {
    let spec = played.world.spec();
    let shows = spec.delays.node_monitor + spec.delays.budget_lag + std::time::Duration::from_secs(1);
    spec.faults.iter().any(|fault| {
        let at = later(played.world.start(), fault.at);
        let loss = matches!(
            fault.what,
            FaultKind::SpotLoss { .. }
                | FaultKind::NotReady { .. }
                | FaultKind::KubeletDead { .. }
                | FaultKind::DeletePod { .. }
                | FaultKind::Scale { .. }
                | FaultKind::Terminate { .. }
        );
        loss && at <= violation.at && violation.at <= later(at, shows)
    })
}

/// No node is taken out that the budget does not allow.
fn budget(played: &Played, policy: &Policy) -> Vec<String> {
    let desired = played.before.size.desired;
    let Ok(limits) = Limits::resolve(policy, &played.before, desired) else { return Vec::new() };
    let facts = played.world.facts();
    let cordons = facts.cordons.iter().filter(|c| c.by == Actor::Client && c.was_available);
    cordons
        .filter(|cordon| cordon.available < desired.min(cordon.desired).saturating_sub(limits.max_unavailable))
        .map(|cordon| {
            format!(
                "{} was cordoned at {} although only {} of {desired} serve then",
                cordon.node, cordon.at, cordon.available
            )
        })
        .collect()
}

/// What must be as it was, or as it should be, once the run ended.
fn afterwards(played: &Played, play: &Play) -> Vec<String> {
    let mut broken = Vec::new();
    let group = played.world.describe_group(false);
    let touched = !matches!(&played.outcome, RunOutcome::Refused { why } if why == "refused by preflight");
    if !touched {
        return broken;
    }
    // A node in quarantine keeps its marks until somebody mends it and runs again, or aborts.
    let kept = |node: &Node| {
        let ended = matches!(played.outcome, RunOutcome::Done | RunOutcome::Aborted);
        !ended && node.marks.quarantined_at().is_some()
    };
    let staying =
        |id: &InstanceId| group.instances.get(id).is_some_and(|i| !matches!(i.lifecycle, Lifecycle::Terminating(_)));
    for node in played.world.group_nodes() {
        let member = node.instance.as_ref().is_some_and(&staying);
        if !member || kept(node) {
            continue;
        }
        if !node.marks.is_empty() || node.taints.contains(&PENDING_TAINT.taint()) {
            broken.push(format!("{} still carries {:?} {:?}", node.name, node.marks, node.taints));
        }
        let ours = played.world.facts().cordoned_by(&node.name) == Some(Actor::Client);
        if node.unschedulable && ours {
            broken.push(format!("{} is still cordoned", node.name));
        }
    }
    let suspended = |group: &Group| group.suspended.contains(&Process::AzRebalance);
    let faults = &played.world.spec().faults;
    let resumed_by_others = faults.iter().any(|fault| fault.what == FaultKind::ResumeAzRebalance);
    if suspended(&group) != suspended(&played.before) && !resumed_by_others {
        broken.push(format!("AZRebalance is suspended: {}", suspended(&group)));
    }
    if played.outcome == RunOutcome::Done {
        let old = group.instances.values().filter(|i| staying(&i.id) && mngup::plan::evidence(i, &group).is_some());
        // A template that changed in the last moment was not seen any more.
        let end = played.records.last().map(|record| record.at);
        let unseen = |at| end.is_some_and(|end| later(later(played.world.start(), at), play.lag) >= end);
        let changed = faults.iter().any(|fault| fault.what == FaultKind::NewTemplate && unseen(fault.at));
        for instance in old.filter(|_| !changed) {
            broken.push(format!("{} is still old", instance.id));
        }
        let expected = played.before.size.desired + played.world.facts().grown;
        if group.size.desired != expected && !claim_may_be_lost(played) {
            broken.push(format!("the group has {} members, {expected} are asked for by others", group.size.desired));
        }
        if group.size.max != played.before.size.max && group.size.desired <= played.before.size.max {
            broken.push(format!("the group's maximum is {}, was {}", group.size.max, played.before.size.max));
        }
        if played.world.intent().is_some() {
            broken.push("the intent was left behind".to_owned());
        }
    }
    broken
}

/// Whether others added nodes and the process died, or an answer was lost, too: which of the extra nodes are the run's own is remembered a moment
/// after a node went, and a death in that moment makes one of theirs look like one of ours.
fn claim_may_be_lost(played: &Played) -> bool {
    let replies = &played.world.spec().replies;
    played.world.facts().grown > 0 && (played.crashes > 0 || replies.lost + replies.lost_requests > 0)
}

/// What an abort must leave: everything as it was but for the nodes that are new, and nothing of others' touched.
fn undone(played: &Played) -> Vec<String> {
    let mut broken = Vec::new();
    let Some((began, size)) = played.aborted else { return broken };
    if played.outcome == RunOutcome::Interrupted {
        // Somebody stopped the abort; what is left of it can go on.
        return broken;
    }
    if let RunOutcome::NotTakenBack { .. } = &played.outcome {
        if played.world.intent().is_none() {
            broken.push("abort: what could not be taken back is forgotten".to_owned());
        }
        return broken;
    }
    if played.outcome != RunOutcome::Aborted {
        return vec![format!("the abort ended {:?}", played.outcome)];
    }
    let group = played.world.describe_group(false);
    let facts = played.world.facts();
    if played.world.intent().is_some() {
        broken.push("abort: the intent was left behind".to_owned());
    }
    for node in played.world.group_nodes() {
        let member = node.instance.as_ref().and_then(|id| group.instances.get(id));
        if member.is_none_or(|member| matches!(member.lifecycle, Lifecycle::Terminating(_))) {
            continue;
        }
        if node.labels.contains_key(EXCLUDE_FROM_LOAD_BALANCERS) {
            broken.push(format!("abort: {} is still kept out of load balancers", node.name));
        }
        if node.shielded {
            broken.push(format!("abort: {} is still shielded", node.name));
        }
        // What an admin cordoned last and nobody of theirs uncordoned is to be so still.
        let theirs = facts.cordons.iter().rfind(|c| c.node == node.name).filter(|c| c.by == Actor::Admin);
        if let Some(cordon) = theirs
            && !node.unschedulable
            && !facts.uncordons.iter().any(|u| u.node == node.name && u.by == Actor::Admin && u.at >= cordon.at)
        {
            broken.push(format!("abort: {} was cordoned by an admin and is not any more", node.name));
        }
    }
    let before = played.before.size;
    let desired = before.desired + facts.grown;
    if claim_may_be_lost(played) {
        return broken;
    }
    if group.size.desired < desired {
        broken.push(format!("abort: the group is to have {} members, should have {desired}", group.size.desired));
    }
    if group.size.desired > desired {
        broken.push(format!("abort: the group is to have {} members still, should have {desired}", group.size.desired));
    }
    if group.size.max != before.max && group.size.desired <= before.max {
        broken.push(format!("abort: the maximum is {}, was {}", group.size.max, before.max));
    }
    let sent = facts.terminations.iter().filter(|t| t.by == Actor::Client && t.accepted && t.at >= began);
    let (shrinks, others): (Vec<_>, Vec<_>) = sent.partition(|t| t.decrement);
    for termination in others {
        broken.push(format!("abort: {} was terminated, and not to shrink the group", termination.instance));
    }
    let extra = usize::try_from(size.desired.saturating_sub(desired)).unwrap_or(0);
    if shrinks.len() > extra {
        broken.push(format!("abort: {} members were terminated, {extra} were extra", shrinks.len()));
    }
    broken
}
