//! The plan in brief, from what was seen: who goes, in what order, what leaves, what stays, and what would never move.

use std::collections::{BTreeMap, BTreeSet};

use super::upgrade::{Prepared, Request};
use crate::{
    domain::{Diagnosis, Finding, Grade, Group, Operator, PodRef, Policy, Stand, elapsed, short},
    drain::{Fate, fate},
    engine::event::Member,
    plan::{self, Census, Roles},
    report::{Brief, Commands, NodeBrief},
};

/// Puts the plan together, with what was foreseen of it. Pods are told as far as they were looked at.
#[must_use]
pub fn brief(
    prepared: &Prepared,
    foreseen: Diagnosis,
    request: &Request,
    commands: &Commands,
    now: jiff::Timestamp,
) -> Brief {
    let snapshot = &prepared.snapshot;
    let group = snapshot.group();
    let Diagnosis { mut findings, unknown, .. } = foreseen;
    // What is so by design stands at each node.
    findings.retain(|finding| finding.cause.stand() != Stand::Aside);
    let order = order(prepared, now).into_iter();
    Brief {
        raises_max: raises_max(prepared),
        old_in_all: count(
            plan::old_nodes(snapshot, &Policy { only: BTreeSet::new(), ..prepared.policy.clone() }).len(),
        ),
        cluster: request.cluster.clone(),
        group: request.group.clone(),
        flavour: group.map(flavour).unwrap_or_default(),
        nodes: group.map_or(0, |group| count(group.instances.len())),
        zones: group.map_or(0, zones),
        old: prepared.old.clone(),
        limits: prepared.limits,
        desired: group.map_or(0, |group| group.size.desired),
        policy: prepared.policy.clone(),
        order: order.map(|member| node_brief(prepared, member, &findings, now)).collect(),
        notes: notes(prepared, now),
        findings,
        unknown,
        commands: commands.clone(),
    }
}

/// The old members in the order in which they would be chosen if nothing changed meanwhile.
fn order(prepared: &Prepared, now: jiff::Timestamp) -> Vec<Member> {
    let mut order = Vec::new();
    let mut census = census(prepared, now);
    while order.len() < prepared.old.len() {
        let next = plan::next(&census, prepared.policy.order, &BTreeSet::new(), |_| true);
        let Some(member) = next.map(|seat| seat.member.clone()) else { break };
        if let Some(seat) = census.seats.get_mut(&member.instance) {
            seat.taken = true;
        }
        order.push(member);
    }
    order
}

/// One node's part; what holds its pods for ever is in the findings.
fn node_brief(prepared: &Prepared, member: Member, findings: &[Finding], now: jiff::Timestamp) -> NodeBrief {
    let snapshot = &prepared.snapshot;
    let mut brief = NodeBrief { member, leaves: Vec::new(), stays: Vec::new(), blocks: Vec::new() };
    let Some(name) = &brief.member.node else { return brief };
    let node = snapshot.node(name);
    let mut stays: BTreeMap<&str, u32> = BTreeMap::new();
    for pod in snapshot.pods_on(name) {
        match fate(pod, node, &prepared.policy, now) {
            Fate::Stays(why) => *stays.entry(why.words()).or_default() += 1,
            Fate::Stopping => brief.leaves.push(pod.id.clone()),
            Fate::Leaves | Fate::Unmanaged => match held_by(findings, &pod.id) {
                None => brief.leaves.push(pod.id.clone()),
                Some(finding) => brief.blocks.push((pod.id.clone(), format!("{} {}", finding.cause, finding.says))),
            },
        }
    }
    let by_name = |pod: &PodRef| (pod.namespace.clone(), pod.name.clone());
    brief.leaves.sort_by_key(by_name);
    brief.stays = stays.into_iter().map(|(why, count)| (why.to_owned(), count)).collect();
    brief
}

/// What would hold this pod on its node.
fn held_by<'a>(findings: &'a [Finding], pod: &PodRef) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.grade == Grade::Blocks && finding.holds.pods.contains(pod))
}

/// The group's maximum and what the run would raise it to; a run that goes on has done so.
fn raises_max(prepared: &Prepared) -> Option<(u32, u32)> {
    let size = prepared.snapshot.group()?.size;
    let wanted = size.desired + prepared.limits.surge.min(count(prepared.old.len()));
    (prepared.resumes.is_none() && wanted > size.max).then_some((size.max, wanted))
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn notes(prepared: &Prepared, now: jiff::Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(intent) = &prepared.resumes {
        let age = short(elapsed(intent.started_at, now));
        let with = match intent.policy.words() {
            words if words.is_empty() => String::new(),
            words => format!(" with {}", words.join(" ")),
        };
        let Operator { user, host } = &intent.operator;
        notes.push(format!("goes on with the run that {user}@{host} began {age} ago{with}"));
        let changes = prepared.policy.changes(&intent.policy);
        if !changes.is_empty() {
            notes.push(format!("as of now: {}", changes.join("; ")));
        }
    }
    notes.extend(
        prepared
            .not_old
            .iter()
            .map(|node| format!("node/{node} is not old and stays as it is; with --all-nodes it is replaced too")),
    );
    notes.extend(zones_left_empty(prepared, now));
    notes.extend(prepared.oddities());
    notes
}

/// Zones whose volumes have no node for a while: their only node that serves is replaced, and no extra one comes first.
fn zones_left_empty(prepared: &Prepared, now: jiff::Timestamp) -> Vec<String> {
    if prepared.limits.surge > 0 {
        return Vec::new();
    }
    let census = census(prepared, now);
    let empty = prepared.snapshot.zonal_volumes().iter().filter(|zone| {
        let goes = census.candidates().any(|seat| seat.available && seat.member.zone == **zone);
        goes && census.available_in(zone) == 1
    });
    let told = |zone| {
        format!(
            "zone {zone} is without a Ready node of the group while its only one is replaced: its zonal volumes wait; \
             with --max-surge 1 a new one comes first"
        )
    };
    empty.map(told).collect()
}

fn census(prepared: &Prepared, now: jiff::Timestamp) -> Census {
    let since = prepared.resumes.as_ref().map_or(now, |intent| intent.started_at);
    Census::take(&prepared.snapshot, &prepared.policy, since, &Roles::default())
}

fn zones(group: &Group) -> u32 {
    let zones: BTreeSet<_> = group.instances.values().map(|instance| &instance.zone).collect();
    u32::try_from(zones.len()).unwrap_or(u32::MAX)
}

fn flavour(group: &Group) -> String {
    let Some(nodegroup) = &group.nodegroup else { return "self-managed".to_owned() };
    let ami = nodegroup.ami_type.as_deref().map(|ami| ami.split('_').next().unwrap_or(ami).to_owned());
    let capacity = nodegroup.capacity_type.as_deref().map(|capacity| capacity.to_lowercase().replace('_', "-"));
    ["managed".to_owned()].into_iter().chain(ami).chain(capacity).collect::<Vec<_>>().join(", ")
}
