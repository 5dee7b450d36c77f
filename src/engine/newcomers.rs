//! Instances that leave and instances that come: who left, who is new, and who serves.

use super::{
    choose,
    draft::{Draft, Wait},
    effect::EffectKey,
    event::{Event, Note, Stuck},
    phase::{Call, NodePhase, RunPhase},
    rollout::{Arrival, Owed},
    waiting::WaitingOn,
};
use crate::domain::{Instance, InstanceId, Lifecycle, Member, Node, NodeMark, NodePatch, Readiness, elapsed, later};

/// Says which members in flight, quarantined or awaited have left the group or are on their way out.
pub(super) fn departures(draft: &mut Draft<'_>) {
    let run = draft.run;
    let left = |id: &InstanceId| {
        draft.group.instances.get(id).is_none_or(|found| matches!(found.lifecycle, Lifecycle::Terminating(_)))
    };
    let mut events = Vec::new();
    for (id, flight) in &run.flights {
        let gone_already = matches!(flight.phase, NodePhase::Replacing { .. });
        if gone_already || !left(id) {
            continue;
        }
        let (ours, decrement) = match flight.phase {
            NodePhase::Terminating { decrement, call, .. } => match call {
                Call::Unmarked | Call::Marked => (false, false),
                Call::Asked | Call::Accepted | Call::Lost { .. } => (true, decrement),
            },
            NodePhase::Cordoning
            | NodePhase::Draining { .. }
            | NodePhase::Settling { .. }
            | NodePhase::Replacing { .. }
            | NodePhase::Releasing
            | NodePhase::Quarantined => (false, false),
        };
        events.push(Event::InstanceLeft { member: flight.member.clone(), ours });
        if decrement {
            let took = elapsed(flight.chosen_at, draft.now);
            events.push(Event::Replaced { member: flight.member.clone(), by: None, took });
        }
    }
    for (id, member) in &run.quarantined {
        if left(id) {
            events.push(Event::InstanceLeft { member: member.clone(), ours: false });
        }
    }
    for (id, arrival) in &run.arrivals {
        if left(id) {
            let zone = draft.group.instances.get(id).map(|found| found.zone.clone());
            let zone = zone.or_else(|| arrival.replaces.as_ref().map(|member| member.zone.clone()));
            let zone = zone.unwrap_or_else(|| "unknown".into());
            let member = Member { instance: id.clone(), node: arrival.joined.clone(), zone };
            events.push(Event::InstanceLeft { member, ours: false });
        }
    }
    draft.decision.events.extend(events);
}

/// Says which instances are new, which joined, and which serve.
pub(super) fn arrivals(draft: &mut Draft<'_>) {
    let run = draft.run;
    if run.group_seen.is_none_or(|(seen, _)| seen != draft.group.observed_at) {
        launched(draft);
        if !draft.has_events() {
            missing(draft);
        }
        shrunk(draft);
        draft.note(Note::GroupSeen(draft.group.observed_at, draft.group.size.desired));
    }
    template_changed(draft);
    for (id, arrival) in &run.arrivals {
        let Some(instance) = draft.group.instances.get(id) else { continue };
        let node = draft.snapshot.node_of(id);
        if let (Some(node), None) = (node, &arrival.joined) {
            draft.event(Event::Joined { node: node.name.clone(), instance: id.clone() });
            continue;
        }
        if let Some(node) = node {
            draft.decision.watch.pods_on.insert(node.name.clone());
        }
        draft.decision.watch.activities = true;
        match (lacks(draft, arrival, instance, node), node) {
            (None, Some(node)) => serves(draft, id, arrival, node),
            (on, _) => {
                let who = match (&arrival.replaces, node) {
                    (Some(member), _) => member.title(),
                    (None, Some(node)) => format!("node/{}", node.name),
                    (None, None) => format!("instance/{id}"),
                };
                let until = Some(later(arrival.owed_since, run.intent.policy.replacement_timeout));
                let on = on.into_iter().collect();
                draft.waits(who, Wait { on, until, pods_left: None });
            }
        }
    }
}

/// Another launch template in the middle of a run: what came from the one before is old now, and waited for no longer.
fn template_changed(draft: &mut Draft<'_>) {
    let target = &draft.group.target;
    if draft.run.target.as_ref() == Some(target) {
        return;
    }
    if draft.run.target.is_some() {
        let message = "the group's launch template changed while the run was under way: nodes from the one before are \
                       old now, and are replaced too";
        draft.event(Event::Warning { message: message.to_owned() });
        for id in draft.run.arrivals.keys() {
            let instance = draft.group.instances.get(id);
            if instance.is_some_and(|instance| crate::plan::evidence(instance, draft.group).is_some()) {
                draft.note(Note::ArrivalGivenUp(id.clone()));
            }
        }
    }
    if draft.run.phase == RunPhase::ScaleDown && draft.run.stop.is_none() {
        draft.event(Event::Phase { phase: RunPhase::Roll });
    }
    draft.note(Note::TargetSeen(Box::new(target.clone())));
}

/// Shields the nodes that came while we roll from the cluster autoscaler.
pub(super) fn shields(draft: &mut Draft<'_>) {
    if draft.run.stop.is_some() {
        return;
    }
    for id in &draft.run.fresh {
        if let Some(node) = draft.snapshot.node_of(id) {
            shield(draft, node);
        }
    }
}

/// Ends the patience with launches that do not come and nodes that do not serve.
pub(super) fn patience(draft: &mut Draft<'_>) {
    let run = draft.run;
    let timeout = run.intent.policy.replacement_timeout;
    for owed in &run.owed {
        let failure = draft.group.failed_launch_since(owed.since).and_then(|activity| activity.message.clone());
        if let Some(why) = failure.clone().filter(|_| is_extra(draft, owed) && may_do_without(draft)) {
            // The extra node cannot be had; the run can do without.
            return draft.event(Event::SurgeUnavailable { why });
        }
        let ends = later(owed.since, timeout);
        if draft.now >= ends {
            let why = Stuck::NodeCreation { after: timeout, on: WaitingOn::Launch { failure } };
            return draft.event(Event::NodeStuck { member: owed.replaces.clone(), why });
        }
        draft.decision.watch.activities = true;
        let wait = Wait { on: vec![WaitingOn::Launch { failure }], until: Some(ends), pods_left: None };
        let who = owed.replaces.as_ref().map_or_else(|| choose::EXTRA.to_owned(), Member::title);
        draft.waits(who, wait);
    }
    for (id, arrival) in &run.arrivals {
        let ends = later(arrival.owed_since, timeout);
        if draft.now < ends {
            continue;
        }
        let Some(instance) = draft.group.instances.get(id) else { continue };
        if let Some(on) = lacks(draft, arrival, instance, draft.snapshot.node_of(id)) {
            let why = Stuck::NodeCreation { after: timeout, on };
            draft.event(Event::NodeStuck { member: arrival.replaces.clone(), why });
            // Only then: what is told of a node that did not come is found while it is still awaited.
            return draft.note(Note::ArrivalGivenUp(id.clone()));
        }
    }
}

/// Whether this launch is one beyond the size at the start, and not one that makes good a loss.
fn is_extra(draft: &Draft<'_>, owed: &Owed) -> bool {
    owed.replaces.is_none() && (choose::extra(draft) > 0 || draft.run.resize.is_some())
}

/// Whether the run gets on without an extra node.
fn may_do_without(draft: &Draft<'_>) -> bool {
    draft.run.intent.limits.max_unavailable > 0 || draft.run.stop.is_some()
}

/// Whether the group shrank by what it was asked to shrink by where the answer was lost: of a size that went down, what
/// is not explained by other answers is.
fn shrunk(draft: &mut Draft<'_>) {
    let Some((_, before)) = draft.run.group_seen else { return };
    let asked = |id: &&InstanceId| draft.run.outstanding.contains(&EffectKey::Instance((*id).clone()));
    let (answered_soon, lost): (Vec<_>, Vec<_>) = draft.run.shrinking.iter().partition(asked);
    let explained = draft.run.shrunk + u32::try_from(answered_soon.len()).unwrap_or(u32::MAX);
    let fewer = before.saturating_sub(draft.group.size.desired).saturating_sub(explained);
    let ours: Vec<_> = lost.into_iter().take(usize::try_from(fewer).unwrap_or(usize::MAX)).cloned().collect();
    for instance in ours {
        draft.note(Note::ShrunkBy(instance));
    }
}

fn launched(draft: &mut Draft<'_>) {
    let run = draft.run;
    let mut owed: Vec<_> = run.owed.iter().map(|owed| owed.replaces.clone()).collect();
    for instance in draft.group.instances.values() {
        let comes = matches!(instance.lifecycle, Lifecycle::Pending(_) | Lifecycle::InService);
        if run.known.contains(&instance.id) || !comes {
            continue;
        }
        let same_zone =
            owed.iter().position(|member| member.as_ref().is_some_and(|member| member.zone == instance.zone));
        let position = same_zone.or_else(|| owed.iter().position(Option::is_some));
        let position = position.or(if owed.is_empty() { None } else { Some(0) });
        let replaces = position.and_then(|index| owed.remove(index));
        draft.event(Event::Launched { instance: instance.id.clone(), replaces });
    }
}

/// Compares the group's own arithmetic with ours: what is missing is owed, what is not missing is not.
fn missing(draft: &mut Draft<'_>) {
    let run = draft.run;
    let leaving = run.flights.values().filter(|flight| {
        matches!(flight.phase, NodePhase::Terminating { call: Call::Asked | Call::Accepted | Call::Lost { .. }, .. })
    });
    let (missing, owed) = (draft.group.missing(), run.owed.len());
    let older =
        run.owed.iter().all(|owed| later(owed.since, std::time::Duration::from_secs(30)) < draft.group.observed_at);
    if missing == 0 && owed > 0 && older && run.resize.is_none() {
        return draft.note(Note::OwedWrittenOff);
    }
    // Nobody answers for members that others sent away, unless the group is larger than it began for our own sake.
    let surplus = draft.group.size.desired > run.intent.size.desired && run.surge_denied;
    let unowed = missing.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX));
    if unowed > 0 && leaving.count() == 0 && !surplus && run.resize.is_none() {
        draft.note(Note::OwedMore(unowed));
    }
}

fn serves(draft: &mut Draft<'_>, id: &InstanceId, arrival: &Arrival, node: &Node) {
    let took = elapsed(arrival.first_seen, draft.now);
    let replaces = arrival.replaces.clone();
    draft.event(Event::Serves { node: node.name.clone(), instance: id.clone(), replaces: replaces.clone(), took });
    if let Some(flight) = replaces.as_ref().and_then(|member| draft.run.flights.get(&member.instance)) {
        let took = elapsed(flight.chosen_at, draft.now);
        draft.event(Event::Replaced { member: flight.member.clone(), by: Some(node.name.clone()), took });
    }
}

/// What a new instance still lacks until it serves; none when it does.
fn lacks(draft: &Draft<'_>, arrival: &Arrival, instance: &Instance, node: Option<&Node>) -> Option<WaitingOn> {
    let joins = || WaitingOn::Join { instance: instance.id.to_string(), lifecycle: instance.lifecycle.to_string() };
    if crate::plan::evidence(instance, draft.group).is_some() {
        let has = instance
            .template
            .as_ref()
            .map_or("no launch template".to_owned(), |t| format!("{} version {}", t.id, t.version));
        return Some(WaitingOn::WrongTemplate { instance: instance.id.to_string(), has });
    }
    let Some(node) = node else { return Some(joins()) };
    match &node.ready {
        Readiness::Ready => {}
        Readiness::NotReady(reason) => {
            return Some(WaitingOn::NodeReady { node: node.name.clone(), reason: reason.clone() });
        }
        Readiness::Unknown => {
            return Some(WaitingOn::NodeReady {
                node: node.name.clone(),
                reason: "its kubelet has not said so".to_owned(),
            });
        }
    }
    if instance.lifecycle != Lifecycle::InService {
        return Some(joins());
    }
    if let Some(taint) = node.taints.iter().find(|taint| taint.is_of_the_start()) {
        let taint = format!("{}:{}", taint.key, taint.effect);
        return Some(WaitingOn::NodeTaint { node: node.name.clone(), taint });
    }
    if node.unschedulable {
        return Some(WaitingOn::NodeTaint { node: node.name.clone(), taint: "cordoned".to_owned() });
    }
    if !draft.snapshot.knows_pods_of(&node.name) {
        return Some(WaitingOn::PodList { node: node.name.clone() });
    }
    let daemons = draft.snapshot.daemon_sets_for(node).filter(|set| {
        !draft.snapshot.pods_on(&node.name).any(|pod| {
            let owned = pod.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet" && owner.name == set.name);
            owned && pod.id.namespace == set.namespace && pod.ready
        })
    });
    let missing: Vec<_> = daemons.map(|set| format!("{}/{}", set.namespace, set.name)).collect();
    if !missing.is_empty() {
        return Some(WaitingOn::DaemonSets { node: node.name.clone(), missing });
    }
    let wanted = draft.run.demanded(arrival.replaces.as_ref());
    let missing: Vec<_> = wanted.filter(|name| !node.extended.contains_key(*name)).map(str::to_owned).collect();
    (!missing.is_empty()).then(|| WaitingOn::ExtendedResources { node: node.name.clone(), missing })
}

fn shield(draft: &mut Draft<'_>, node: &Node) {
    if node.shielded || draft.run.shielded.contains(&node.name) {
        return;
    }
    let marks = vec![NodeMark::Run(draft.run.intent.run.clone()), NodeMark::Shielded];
    draft.patch(&node.name, NodePatch { shielded: Some(true), marks, ..NodePatch::default() });
}
