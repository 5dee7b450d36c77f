//! Whose turn it is: the budget of nodes, the extra nodes, and the last ones that go without a replacement.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use jiff::Timestamp;

use super::{
    draft::{Draft, TRIES, Wait},
    effect::{CloudAct, EffectKey, Step},
    event::{Event, Note, RunOutcome, SurgeFor},
    phase::{Call, NodePhase},
    rollout::Rollout,
    waiting::WaitingOn,
};
use crate::{
    domain::{Group, InstanceId, Lifecycle, Node, Size, later},
    plan::{self, Census, Roles, Seat},
};

/// A lost answer is settled by a reading of the group that is at least this much younger; Auto Scaling's readings may
/// lag a little behind its acts.
pub(super) const SETTLED_BY_READING: Duration = Duration::from_secs(10);

/// Who waits for a launch that replaces nobody.
pub(super) const EXTRA: &str = "extra node";

/// Counts the group as it is now.
pub(super) fn census(draft: &Draft<'_>) -> Rc<Census> {
    let (run, intent) = (draft.run, &draft.run.intent);
    let count = || {
        let roles = Roles {
            taken: run.taken(),
            spared: run.given_up.iter().collect(),
            arriving: run.arrivals.keys().collect(),
            fresh: run.fresh.iter().collect(),
        };
        Census::take(draft.snapshot, &intent.policy, intent.started_at, &roles)
    };
    Rc::clone(draft.census.get_or_init(|| Rc::new(count())))
}

/// By how many members the group is larger than it was, or than it should stay, less those on their way out.
pub(super) fn to_shed(draft: &Draft<'_>) -> u32 {
    if draft.run.shed_denied {
        return 0;
    }
    // A quarantined node does not serve: one that was extra stays in its place.
    to_spare(draft).saturating_sub(quarantined(draft.run))
}

/// By how many members more than at the start the group ends, as things stand.
fn to_spare(draft: &Draft<'_>) -> u32 {
    // Those that were accepted are counted already: the group wants one fewer by then.
    let underway = draft.run.flights.values().filter(|flight| match flight.phase {
        NodePhase::Terminating { decrement, call, .. } => decrement && call != Call::Accepted,
        NodePhase::Cordoning
        | NodePhase::Draining { .. }
        | NodePhase::Settling { .. }
        | NodePhase::Replacing { .. }
        | NodePhase::Releasing
        | NodePhase::Quarantined => false,
    });
    extra(draft).saturating_sub(u32::try_from(underway.count()).unwrap_or(u32::MAX))
}

fn quarantined(run: &Rollout) -> u32 {
    u32::try_from(run.quarantined.len()).unwrap_or(u32::MAX)
}

/// How many members more than at the start the group has, but no more than this run asked for: what others added is
/// theirs.
pub(super) fn extra(draft: &Draft<'_>) -> u32 {
    extra_in(draft.run, draft.group)
}

fn extra_in(run: &Rollout, group: &Group) -> u32 {
    group.size.desired.saturating_sub(run.intent.size.desired).min(run.intent.surge)
}

/// Whether the group shrinks by this member when it goes, so that no new node is ever scaled down again.
pub(super) fn shrinks_by(draft: &Draft<'_>, instance: &InstanceId) -> bool {
    last_ones(draft, &census(draft)).contains(instance)
}

fn last_ones(draft: &Draft<'_>, census: &Census) -> BTreeSet<InstanceId> {
    let run = draft.run;
    let still_here = |seat: &Seat| match run.flights.get(&seat.member.instance).map(|flight| &flight.phase) {
        None => !seat.taken && !seat.spared,
        Some(NodePhase::Cordoning | NodePhase::Draining { .. } | NodePhase::Settling { .. }) => true,
        Some(
            NodePhase::Terminating { .. } | NodePhase::Replacing { .. } | NodePhase::Releasing | NodePhase::Quarantined,
        ) => false,
    };
    // Those whose turn has not come go last; a node in flight shrinks the group only when too few of them are left.
    let shed = to_shed(draft);
    let mut last = plan::shed_by(census, shed, |seat| seat.old && still_here(seat) && !seat.taken);
    let short = shed.saturating_sub(u32::try_from(last.len()).unwrap_or(u32::MAX));
    last.extend(plan::shed_by(census, short, |seat| seat.old && still_here(seat) && seat.taken));
    last
}

/// Gets the group to the size that was asked for, and asks for stand-ins of quarantined nodes.
pub(super) fn surge(draft: &mut Draft<'_>, census: &Census) {
    let run = draft.run;
    if let Some((more, at)) = run.resize_anew {
        if draft.group.observed_at > at {
            let (seen, desired) = (draft.group.size, draft.group.size.desired + more);
            let max = if desired > seen.max { desired } else { 0 };
            draft.note(Note::ResizedAnew(Size { min: 0, desired, max }));
        }
        return;
    }
    if let Some(size) = run.resize {
        if draft.group.size.desired >= size.desired {
            return draft.note(Note::Resized);
        }
        // Sent once more, it would meet a size that is ours and look like somebody else's.
        if let Some(settled) = run.resize_lost.map(|at| later(at, SETTLED_BY_READING)) {
            if draft.group.observed_at >= settled {
                return draft.note(Note::ResizeNotDone);
            }
            return draft.wake_at(settled, &WaitingOn::Reading);
        }
        if run.saved.as_ref() == Some(&run.intent) {
            let seen = draft.group.size;
            let max = (size.max > seen.max).then_some(Step { from: seen.max, to: size.max });
            let desired = Step { from: seen.desired, to: size.desired };
            draft.cloud(CloudAct::SetSize { desired: Some(desired), max });
        }
        return;
    }
    let most = run.intent.limits.surge;
    if most == 0 || run.surge_denied || run.stop.is_some() || run.quarantined.is_empty() {
        return;
    }
    let old = census.seats.values().filter(|seat| seat.old && !run.quarantined.contains_key(&seat.member.instance));
    let lanes = if census.candidates().next().is_some() {
        most.min(u32::try_from(old.count()).unwrap_or(u32::MAX)).saturating_sub(to_shed(draft))
    } else {
        // The last old node may have shrunk the group before another ran out of patience.
        quarantined(run).min(most).saturating_sub(to_spare(draft))
    };
    if lanes > 0 {
        ask_for(draft, lanes, SurgeFor::Quarantine);
    }
}

/// Asks for so many more nodes than the group has.
pub(super) fn ask_for(draft: &mut Draft<'_>, more: u32, purpose: SurgeFor) {
    let from = draft.group.size.desired;
    let desired = from + more;
    let max = (desired > draft.group.size.max).then_some(desired);
    let nodes = draft.run.intent.surge + more;
    draft.event(Event::SurgeRequested { nodes, from, desired, max, purpose });
}

/// Chooses one more node if the budget allows it.
pub(super) fn next(draft: &mut Draft<'_>, census: &Census) {
    let run = draft.run;
    match &run.stop {
        None => {}
        Some(RunOutcome::Aborted) => return shed_one(draft, census),
        Some(_) => return,
    }
    let who = run.intent.group.to_string();
    let idle = census.candidates().next().is_none() && to_shed(draft) == 0;
    if let Some(objection) = plan::busy(draft.group).into_iter().next().filter(|_| !idle) {
        let why = objection.to_string();
        return not_now(draft, who, WaitingOn::GroupBusy { why: why.clone() }, why);
    }
    if let Some(seat) = census.riddles().next() {
        let title = seat.member.title();
        let why = format!("whether {title} is a Node of this cluster cannot be told");
        not_now(draft, title, WaitingOn::Reading, why);
        if draft.has_events() {
            return;
        }
    }
    if census.candidates().next().is_none() {
        return shed_one(draft, census);
    }
    if let Some(until) = interval(draft) {
        let wait = Wait { on: vec![WaitingOn::NodeInterval { until }], until: Some(until), pods_left: None };
        return draft.waits(who, wait);
    }
    let extra = extra_comes(draft, census);
    if extra && run.resize.is_some() {
        let on = vec![WaitingOn::Launch { failure: None }];
        draft.waits(EXTRA.to_owned(), Wait { on, ..Wait::default() });
    }
    let required = required(draft);
    let lanes = usize::try_from(run.intent.limits.max_unavailable.max(1)).unwrap_or(usize::MAX);
    let fits = |seat: &Seat| {
        if seat.available {
            census.available > required && !extra
        } else {
            // What does not serve costs the budget nothing, but a whole group that looks dead for a moment must not
            // be taken out at once: as many at a time as may be out.
            run.flights.len() < lanes
        }
    };
    let last_of_zone = |seat: &Seat| is_last_of_zone(draft, census, seat);
    let last_ones = last_ones(draft, census);
    let order = run.intent.policy.order;
    if let Some(seat) = plan::next(census, order, &last_ones, |seat| fits(seat) && !last_of_zone(seat)) {
        return choose(draft, census, seat, required, false);
    }
    let quiet = run.flights.is_empty() && run.owed.is_empty() && run.arrivals.is_empty();
    let zone_bound = plan::next(census, order, &last_ones, fits);
    let Some(seat) = zone_bound else {
        if quiet && !extra {
            let on = vec![WaitingOn::NodesOut { available: census.available, required }];
            nobody_moves(draft, &who, census, on);
        }
        return;
    };
    if !quiet {
        return;
    }
    let zones = u32::try_from(draft.group.zones.len()).unwrap_or(u32::MAX);
    let extra = draft.group.size.desired.saturating_sub(run.intent.size.desired);
    if run.intent.limits.surge > 0 && !run.surge_denied && extra < zones && run.resize.is_none() {
        return ask_for(draft, 1, SurgeFor::ZoneVolumes);
    }
    let message = format!(
        "zone {} is without a Ready node while {} is replaced: its zonal volumes wait, and no extra node can be had",
        seat.member.zone,
        seat.member.title()
    );
    draft.event(Event::Warning { message });
    choose(draft, census, seat, required, false);
}

/// Whether it is the last one that serves in a zone whose volumes can go nowhere else.
fn is_last_of_zone(draft: &Draft<'_>, census: &Census, seat: &Seat) -> bool {
    let zone = &seat.member.zone;
    seat.available && draft.snapshot.zonal_volumes().contains(zone) && census.available_in(zone) <= 1
}

/// Whether the budget still allows what was chosen: those who are left must be as many as are required.
pub(super) fn still_fits(draft: &Draft<'_>) -> bool {
    let (available, required) = serving(draft);
    available >= required
}

/// Whether taking this member out costs the group something: it is in service, schedulable and not only arriving.
pub(super) fn serves(draft: &Draft<'_>, instance: &InstanceId, node: &Node) -> bool {
    let in_service = draft.group.instances.get(instance).is_some_and(|found| found.lifecycle == Lifecycle::InService);
    in_service && node.is_ready() && !node.unschedulable && !draft.run.arrivals.contains_key(instance)
}

/// How many members serve, and how many must.
pub(super) fn serving(draft: &Draft<'_>) -> (u32, u32) {
    (census(draft).available, required(draft))
}

/// Whether an extra node is on its way and no new one serves yet: what is evicted now would land on an old node and
/// move twice.
fn extra_comes(draft: &Draft<'_>, census: &Census) -> bool {
    let run = draft.run;
    let comes = run.owed.iter().any(|owed| owed.replaces.is_none())
        || run.arrivals.values().any(|arrival| arrival.replaces.is_none())
        || run.resize.is_some();
    comes && !run.surge_denied && !census.seats.values().any(|seat| !seat.outdated && seat.available)
}

/// Shrinks the group to its size by a member that was drained first; only when no old node is left to shrink by.
fn shed_one(draft: &mut Draft<'_>, census: &Census) {
    let run = draft.run;
    let quiet = run.flights.is_empty() && run.owed.is_empty() && run.arrivals.is_empty();
    if !quiet || to_shed(draft) == 0 || run.stop.as_ref().is_some_and(|stop| *stop != RunOutcome::Aborted) {
        return;
    }
    if draft.group.missing() > 0 {
        return want_fewer(draft);
    }
    let required = required(draft);
    let spare = census.available > required;
    let may_go = |seat: &Seat| !seat.taken && !seat.spared && !seat.apart && !is_last_of_zone(draft, census, seat);
    let pick = |allowed: &dyn Fn(&Seat) -> bool| {
        let shed = plan::shed_by(census, 1, |seat| may_go(seat) && allowed(seat));
        shed.first().and_then(|instance| census.seats.get(instance))
    };
    // Where none of those that serve may go, one that does not is as good.
    if let Some(seat) = pick(&|seat| spare || !seat.available) {
        return choose(draft, census, seat, required, true);
    }
    if pick(&|_| true).is_none() {
        return keep_size(draft, "no node could be drained");
    }
    let on = vec![WaitingOn::NodesOut { available: census.available, required }];
    nobody_moves(draft, &run.intent.group.to_string(), census, on);
}

/// The extra nodes never came: the group is asked not to want them any more. Only while none is on its way in, for a
/// group that has more than it wants scales in, past every budget.
fn want_fewer(draft: &mut Draft<'_>) {
    if draft.failures(&EffectKey::Size) >= TRIES {
        return keep_size(draft, "its size cannot be set back");
    }
    draft.decision.watch.activities = true;
    if draft.group.is_launching() {
        let on = vec![WaitingOn::Launch { failure: None }];
        return draft.waits(EXTRA.to_owned(), Wait { on, ..Wait::default() });
    }
    let fewer = to_shed(draft).min(draft.group.missing());
    let from = draft.group.size.desired;
    draft.cloud(CloudAct::SetSize { desired: Some(Step { from, to: from - fewer }), max: None });
    draft.waits(EXTRA.to_owned(), Wait { on: vec![WaitingOn::Answers { count: 1 }], ..Wait::default() });
}

fn choose(draft: &mut Draft<'_>, census: &Census, seat: &Seat, required: u32, shrink: bool) {
    let node = seat.member.node.as_ref().and_then(|name| draft.snapshot.node(name));
    let extended = node.map(|node| node.extended.clone()).unwrap_or_default();
    let available = census.available.saturating_sub(u32::from(seat.available));
    draft.event(Event::NodeChosen { member: seat.member.clone(), available, required, shrink, extended });
}

fn required(draft: &Draft<'_>) -> u32 {
    required_of(draft.run, draft.group)
}

/// How many members must be available after a choice.
pub(super) fn required_of(run: &Rollout, group: &Group) -> u32 {
    // Others may have made the group smaller or larger since: its size without our extra nodes is what there is to keep.
    let desired = group.size.desired.saturating_sub(extra_in(run, group));
    desired.saturating_sub(run.intent.limits.max_unavailable)
}

fn interval(draft: &Draft<'_>) -> Option<Timestamp> {
    let until = later(draft.run.last_choice?, draft.run.intent.policy.node_interval);
    (until > draft.now).then_some(until)
}

/// Nothing is in flight and nobody may be chosen: wait for the group to mend, but not for ever.
fn nobody_moves(draft: &mut Draft<'_>, who: &str, census: &Census, on: Vec<WaitingOn>) {
    let run = draft.run;
    let until = patience(draft, who, &on);
    // Quarantined nodes take up all that may be out, and do not come back by themselves.
    let for_ever = !run.quarantined.is_empty() && census.out.is_empty();
    if draft.now >= until || for_ever {
        if census.candidates().next().is_none() || run.stop.is_some() {
            return keep_size(draft, "too many are out to drain another");
        }
        if !run.quarantined.is_empty() {
            return draft.note(Note::Stopping(RunOutcome::EvictionFailed));
        }
        let out: Vec<_> = census.out.iter().take(5).map(|(title, why)| format!("{title} ({why})")).collect();
        let why = format!("too many nodes are out to take another: {}", out.join(", "));
        return draft.note(Note::Stopping(RunOutcome::Refused { why }));
    }
    draft.waits(who.to_owned(), Wait { on, until: Some(until), pods_left: None });
}

/// No node is chosen while this lasts; a run that waits for it for too long stops.
fn not_now(draft: &mut Draft<'_>, who: String, on: WaitingOn, why: String) {
    let on = vec![on];
    let until = patience(draft, &who, &on);
    if draft.now >= until {
        return draft.note(Note::Stopping(RunOutcome::Refused { why }));
    }
    draft.waits(who, Wait { on, until: Some(until), pods_left: None });
}

/// When the patience with a wait of this kind ends: it began when it was told first.
pub(super) fn patience(draft: &Draft<'_>, who: &str, on: &[WaitingOn]) -> Timestamp {
    let kind = |on: &[WaitingOn]| on.first().map(std::mem::discriminant);
    let told = draft.run.told.get(who).filter(|told| kind(&told.on) == kind(on));
    later(told.map_or(draft.now, |told| told.since), draft.run.intent.policy.replacement_timeout)
}

pub(super) fn keep_size(draft: &mut Draft<'_>, why: &str) {
    let (size, more) = (draft.group.size.desired, extra(draft));
    draft.note(Note::ShedGivenUp);
    draft.event(Event::Warning { message: format!("the group keeps {size} nodes, {more} more than it had: {why}") });
}

/// Whether a call to terminate may have been heard already.
#[must_use]
pub(super) fn asked(call: Call) -> bool {
    match call {
        Call::Unmarked | Call::Marked => false,
        Call::Asked | Call::Accepted | Call::Lost { .. } => true,
    }
}
