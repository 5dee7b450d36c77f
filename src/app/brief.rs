//! The plan in brief, from what was seen: who goes, in what order, what leaves, what stays, and what would never move.

use std::collections::{BTreeMap, BTreeSet};

use super::upgrade::{Prepared, Request};
use crate::{
    domain::{Group, Node, Operator, Pdb, Pod, PodRef, Policy, Snapshot, elapsed, short},
    drain::{Fate, fate, needs_token},
    engine::{
        event::Member,
        waiting::{BudgetView, WaitingOn},
    },
    plan::{self, Census, Roles},
    report::{
        Brief, Commands, NodeBrief,
        remedy::{self, Step},
    },
};

/// Puts the plan together. Pods are told as far as they were looked at.
#[must_use]
pub fn brief(prepared: &Prepared, request: &Request, commands: &Commands, now: jiff::Timestamp) -> Brief {
    let snapshot = &prepared.snapshot;
    let order = order(prepared, now);
    let mut never: BTreeMap<_, BudgetView> = BTreeMap::new();
    let mut two_budgets = Vec::new();
    let mut lands_back = Vec::new();
    for (pod, node) in pods(snapshot, &order) {
        if !matches!(fate(pod, node, &prepared.policy, now), Fate::Leaves | Fate::Unmanaged) {
            continue;
        }
        let budgets: Vec<&Pdb> = snapshot.budgets_of(&pod.id.uid).iter().filter_map(|id| snapshot.pdb(id)).collect();
        match budgets.as_slice() {
            [pdb] if pdb.never_allows() && needs_token(pod, pdb) => {
                never.entry(pdb.id.clone()).or_insert_with(|| view(pdb)).pods.push(pod.id.clone());
            }
            [] | [_] => {}
            several => two_budgets.push((pod.id.clone(), several.iter().map(|pdb| pdb.id.clone()).collect())),
        }
        if let Some(toleration) = pod.tolerates_cordon() {
            let words = toleration.key.clone().unwrap_or_else(|| "every taint".to_owned());
            lands_back.push((pod.id.clone(), words));
        }
    }
    let group = snapshot.group();
    let order: Vec<_> = order.into_iter().map(|member| node_brief(prepared, member, now)).collect();
    Brief {
        fix: fix(&order, commands),
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
        order: order.into_iter().map(|(brief, _)| brief).collect(),
        findings: findings(prepared, now),
        never: never.into_values().collect(),
        two_budgets,
        lands_back,
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

fn pods<'a>(snapshot: &'a Snapshot, order: &'a [Member]) -> impl Iterator<Item = (&'a Pod, Option<&'a Node>)> {
    let nodes = order.iter().filter_map(|member| member.node.as_ref());
    nodes.flat_map(move |name| snapshot.pods_on(name).map(move |pod| (pod, snapshot.node(name))))
}

/// One node's part, and what holds its pods for ever.
fn node_brief(prepared: &Prepared, member: Member, now: jiff::Timestamp) -> (NodeBrief, Vec<WaitingOn>) {
    let snapshot = &prepared.snapshot;
    let (mut brief, mut held_by) =
        (NodeBrief { member, leaves: Vec::new(), stays: Vec::new(), blocks: Vec::new() }, Vec::new());
    let Some(name) = &brief.member.node else { return (brief, held_by) };
    let node = snapshot.node(name);
    let mut stays: BTreeMap<&str, u32> = BTreeMap::new();
    for pod in snapshot.pods_on(name) {
        match fate(pod, node, &prepared.policy, now) {
            Fate::Stays(why) => *stays.entry(why.words()).or_default() += 1,
            Fate::Stopping => brief.leaves.push(pod.id.clone()),
            Fate::Leaves => match held_for_ever(prepared, pod) {
                None => brief.leaves.push(pod.id.clone()),
                Some(on) => {
                    brief.blocks.push((pod.id.clone(), remedy::headline(&on)));
                    held_by.push(on);
                }
            },
            Fate::Unmanaged => {
                held_by.push(WaitingOn::Unmanaged { pod: pod.id.clone() });
                brief.blocks.push((pod.id.clone(), "no controller would bring it back; --delete-unmanaged".to_owned()));
            }
        }
    }
    let by_name = |pod: &PodRef| (pod.namespace.clone(), pod.name.clone());
    brief.leaves.sort_by_key(by_name);
    brief.stays = stays.into_iter().map(|(why, count)| (why.to_owned(), count)).collect();
    (brief, held_by)
}

/// The budgets that would refuse this pod's eviction for ever; none where they are not asked, or not to the end.
fn held_for_ever(prepared: &Prepared, pod: &Pod) -> Option<WaitingOn> {
    let Prepared { snapshot, policy, .. } = prepared;
    if policy.force || policy.disable_eviction {
        return None;
    }
    let budgets: Vec<&Pdb> = snapshot.budgets_of(&pod.id.uid).iter().filter_map(|id| snapshot.pdb(id)).collect();
    match budgets.as_slice() {
        [pdb] if pdb.never_allows() && needs_token(pod, pdb) => Some(WaitingOn::Budget(Box::new(view(pdb)))),
        [] | [_] => None,
        several => {
            let pdbs = several.iter().map(|pdb| pdb.id.clone()).collect();
            Some(WaitingOn::TwoBudgets { pod: pod.id.clone(), pdbs })
        }
    }
}

/// The steps that clear all of it away, each once.
fn fix(order: &[(NodeBrief, Vec<WaitingOn>)], commands: &Commands) -> Vec<Step> {
    let mut fix: Vec<Step> = Vec::new();
    for on in order.iter().flat_map(|(_, held_by)| held_by) {
        let steps = remedy::steps(on, commands);
        // The same words may stand before other commands.
        if steps.iter().filter(|step| step.command().is_some()).any(|step| !fix.contains(step)) {
            fix.extend(steps);
        }
    }
    [commands.before(&fix), fix].concat()
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

fn findings(prepared: &Prepared, now: jiff::Timestamp) -> Vec<String> {
    let mut findings = Vec::new();
    if let Some(intent) = &prepared.resumes {
        let age = short(elapsed(intent.started_at, now));
        let with = match intent.policy.words() {
            words if words.is_empty() => String::new(),
            words => format!(" with {}", words.join(" ")),
        };
        let Operator { user, host } = &intent.operator;
        findings.push(format!("goes on with the run that {user}@{host} began {age} ago{with}"));
        let changes = prepared.policy.changes(&intent.policy);
        if !changes.is_empty() {
            findings.push(format!("as of now: {}", changes.join("; ")));
        }
    }
    findings.extend(
        prepared
            .not_old
            .iter()
            .map(|node| format!("node/{node} is not old and stays as it is; with --all-nodes it is replaced too")),
    );
    findings.extend(zones_left_empty(prepared, now));
    findings.extend(prepared.oddities());
    findings
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

fn view(pdb: &Pdb) -> BudgetView {
    BudgetView {
        pdb: pdb.id.clone(),
        rule: crate::engine::waiting::rule_text(pdb.rule),
        expected: pdb.status.expected,
        desired: pdb.status.desired,
        current: pdb.status.current,
        allowed: pdb.status.allowed,
        never: true,
        stale: false,
        pods: Vec::new(),
        unready: Vec::new(),
    }
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
