//! One sentence for each event: `kind/name verb`, then what there is to add.

use super::{names::Names, paint::Tone, progress::Progress, wording};
use crate::{
    domain::{LaunchTemplate, PodRef, short},
    engine::{
        effect::{EffectKey, Refusal},
        event::{DeletedFor, Event, Evidence, Member, Stuck},
    },
};

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Whether it is part of the answer (stdout) or of the conversation (stderr).
    pub(super) answer: bool,
    /// How good the news is.
    pub(super) tone: Tone,
    /// `kind/name`, with the name as kubectl shows it.
    pub(super) subject: String,
    /// What happened to it.
    pub(super) verb: String,
    /// What there is to add.
    pub(super) detail: String,
}

impl Told {
    fn fact(subject: impl Into<String>, verb: &str, detail: impl Into<String>) -> Self {
        Self { answer: true, tone: Tone::Plain, subject: subject.into(), verb: verb.to_owned(), detail: detail.into() }
    }

    fn talk(tone: Tone, subject: impl Into<String>, verb: &str, detail: impl Into<String>) -> Self {
        Self { answer: false, tone, ..Self::fact(subject, verb, detail) }
    }

    fn good(self) -> Self {
        Self { tone: Tone::Good, ..self }
    }
}

/// The event in words; none for those that other lines tell better. `progress` has seen the event already.
pub(super) fn told(event: &Event, progress: &Progress) -> Option<Told> {
    let names = &progress.names;
    let group = || progress.history.group.as_ref().map_or_else(|| "group".to_owned(), ToString::to_string);
    let warn = |subject: String, verb: &str, detail: String| Some(Told::talk(Tone::Warn, subject, verb, detail));
    match event {
        Event::RunResumed { .. } if progress.undoing => Some(Told::fact(group(), "undoes", "what the run did")),
        Event::RunResumed { old, .. } => {
            let left = wording::count(u32::try_from(old.len()).unwrap_or(u32::MAX), "node");
            Some(Told::fact(group(), "resumes", format!("{left} of {} left", progress.total)))
        }
        Event::SurgeRequested { nodes: 1.., from, desired, max, .. } => {
            let more = desired.saturating_sub(*from);
            let max = max.map_or_else(String::new, |max| format!("; its maximum is raised to {max}"));
            let to = wording::count(*desired, "node");
            Some(Told::fact(group(), "grows", format!("to {to} (+{more}) while it is upgraded{max}")))
        }
        Event::SurgeUnavailable { why } => warn(group(), "goes on without an extra node", format!("({why})")),
        Event::AzRebalance { suspended: true } => Some(Told::fact(group(), "AZRebalance suspended", "")),
        Event::AzRebalance { suspended: false } => Some(Told::fact(group(), "AZRebalance resumed", "")),
        Event::NodeCordoned { node, ours } => {
            let detail = if *ours { "" } else { "by somebody else already" };
            Some(Told::fact(format!("node/{node}"), "cordoned", detail))
        }
        Event::PodEvicted { pod, node } => Some(pod_fact(pod, "evicted", format!("from {}", names.short(node)))),
        // What a budget refuses is told by the wait for it.
        Event::PodRefused { pod, node, refusal } if !is_budget_or_passing(refusal) => {
            warn(pod.to_string(), "not evicted", format!("from {}: {refusal}", names.short(node)))
        }
        Event::PodDeleted { pod, node, why } => {
            let consent = match why {
                DeletedFor::Force => "--force, after the drain timeout",
                DeletedFor::DisableEviction => "--disable-eviction",
            };
            let detail = format!("from {} ({consent})", names.short(node));
            Some(Told { tone: Tone::Warn, ..pod_fact(pod, "deleted", detail) })
        }
        Event::PodGoesDown { pod, node } => {
            warn(pod.to_string(), "goes down", format!("with {}: --force has deleted what it could", names.short(node)))
        }
        Event::PodLandedBack { pod, node, toleration } => warn(
            pod.to_string(),
            "landed",
            format!("on {}, which is cordoned: it tolerates {toleration}", names.short(node)),
        ),
        Event::NodeDrained { node, pods, took } => {
            let detail = format!("{} in {}", wording::count(*pods, "pod"), short(*took));
            Some(Told::fact(format!("node/{node}"), "drained", detail))
        }
        Event::TerminateUnknown { instance, why } => {
            warn(format!("instance/{instance}"), "termination unanswered", format!("({why}); looking tells"))
        }
        Event::InstanceLeft { member, ours: true } => {
            Some(Told::fact(member.title(), "terminated", member.instance.to_string()))
        }
        Event::InstanceLeft { member, ours: false } => warn(
            member.title(),
            "lost",
            format!("{} left the group, and not through mngup: spot, or somebody else", member.instance),
        ),
        Event::Serves { node, replaces, took, .. } => {
            let whom = match replaces {
                Some(member) => format!("for {}", called(member, names)),
                None => "as an extra node".to_owned(),
            };
            let detail = format!("{whom}, {} after its launch", short(*took));
            Some(Told::fact(format!("node/{node}"), "serves", detail))
        }
        Event::Replaced { member, took, .. } if progress.is_shed(member) => {
            let detail = format!("after {}: the group has one node less again", short(*took));
            Some(Told::fact(member.title(), "gone", detail))
        }
        Event::Replaced { member, by, took } => {
            let by = by.as_ref().map_or("without a successor: the group was one larger", |_| "");
            let count = format!("{} of {} in {}", progress.done, progress.total, short(*took));
            let detail = [count.as_str(), by].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            Some(Told::fact(member.title(), "replaced", detail.join(", ")).good())
        }
        Event::NodeStuck { member, why } => {
            let subject = member.as_ref().map_or_else(group, Member::title);
            Some(Told::talk(Tone::Bad, subject, "stuck", stuck(why)))
        }
        Event::NodeReleased { node } => {
            let (verb, detail) = match progress.history.cordoned_by_other(node) {
                Some(false) => ("uncordoned", "serves again"),
                Some(true) => ("given back", "stays cordoned: somebody else had cordoned it before"),
                None => ("given back", ""),
            };
            Some(Told::fact(format!("node/{node}"), verb, detail))
        }
        Event::NodeQuarantined { node } => {
            let told = Told::fact(format!("node/{node}"), "quarantined", "stays cordoned; the run goes on without it");
            Some(Told { tone: Tone::Warn, ..told })
        }
        Event::NodeUncordonedByOther { node } => {
            warn(format!("node/{node}"), "uncordoned by somebody else", "while its pods were leaving".to_owned())
        }
        Event::ActFailed { act, why } => warn(subject_of(act, &group()), "not changed yet", format!("({why})")),
        Event::Warning { message } => warn("warning:".to_owned(), "", names.shorten(message)),
        Event::StopRequested => warn(
            group(),
            "stops",
            "once the nodes in flight are safe; no more are chosen. Ctrl-C again leaves at once".to_owned(),
        ),
        Event::RunStarted { .. }
        | Event::SurgeRequested { nodes: 0, .. }
        | Event::Phase { .. }
        | Event::NodeChosen { .. }
        | Event::PodRefused { .. }
        | Event::PodGone { .. }
        | Event::Terminating { .. }
        | Event::Launched { .. }
        | Event::Joined { .. }
        | Event::Waiting { .. }
        | Event::RunEnded { .. }
        | Event::Diagnosed { .. }
        | Event::GivingBack { .. }
        | Event::Noted(_) => None,
    }
}

/// Whether this refusal says no more than that it is not the time yet.
fn is_budget_or_passing(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Budget { .. } | Refusal::Throttled { .. } | Refusal::Gone)
}

/// The node's short name, or its instance where it never became one.
pub(super) fn called<'a>(member: &'a Member, names: &Names) -> &'a str {
    member.node.as_ref().map_or(member.instance.as_str(), |node| names.short(node))
}

/// Why a member counts as old.
pub(super) fn because(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Template { has, target } if has.id == target.id => {
            format!("launch template {} version {}, the group launches {}", has.id, has.version, target.version)
        }
        Evidence::Template { has, target } => {
            format!("launch template {}, the group launches {}", template(has), template(target))
        }
        Evidence::NoTemplate => "its launch template is gone".to_owned(),
        Evidence::Asked => "not old, but --all-nodes asks for it".to_owned(),
    }
}

fn template(template: &LaunchTemplate) -> String {
    format!("{} version {}", template.id, template.version)
}

fn pod_fact(pod: &PodRef, verb: &str, detail: String) -> Told {
    Told::fact(pod.to_string(), verb, detail)
}

fn stuck(why: &Stuck) -> String {
    match why {
        Stuck::PodEviction { after, held } => {
            let pods = wording::count(u32::try_from(held.len()).unwrap_or(u32::MAX), "pod");
            format!("PodEvictionFailure: {pods} left after {}", short(*after))
        }
        Stuck::NodeCreation { after, .. } => {
            format!("NodeCreationFailure: no new node serves after {}", short(*after))
        }
        Stuck::Refused { refusal, .. } => format!("refused: {refusal}"),
    }
}

fn subject_of(act: &EffectKey, group: &str) -> String {
    match act {
        EffectKey::Intent => "the run's ConfigMap".to_owned(),
        EffectKey::Node(node) => format!("node/{node}"),
        EffectKey::Pod(uid) => format!("pod with uid {uid}"),
        EffectKey::Instance(instance) => format!("instance/{instance}"),
        EffectKey::Size => format!("size of {group}"),
        EffectKey::Processes => format!("AZRebalance of {group}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::{
        engine::{
            event::{Record, RunOutcome},
            phase::RunPhase,
            waiting::WaitingOn,
        },
        report::fixtures::{Tale, at, intent, member, node, pod},
    };

    /// One of each event that is told to anybody.
    fn every() -> Vec<Event> {
        let (pod, node, member) = (|| pod("cart-1"), || node(1, 1), || member(1));
        let text = |text: &str| text.to_owned();
        let refused = |refusal| Event::PodRefused { pod: pod(), node: node(), refusal };
        let span = Duration::from_secs(124);
        let stuck = |why| Event::NodeStuck { member: Some(member()), why };
        vec![
            Event::RunStarted { intent: Box::new(intent(2)), old: Vec::new() },
            Event::RunResumed { intent: Box::new(intent(2)), old: Vec::new() },
            Event::Phase { phase: RunPhase::ScaleUp },
            Event::SurgeRequested {
                nodes: 2,
                from: 12,
                desired: 14,
                max: None,
                purpose: crate::engine::event::SurgeFor::Load,
            },
            Event::SurgeUnavailable { why: text("VcpuLimitExceeded") },
            Event::AzRebalance { suspended: false },
            Event::NodeChosen {
                member: member(),
                available: 2,
                required: 1,
                shrink: false,
                extended: std::collections::BTreeMap::new(),
            },
            Event::NodeCordoned { node: node(), ours: false },
            Event::PodEvicted { pod: pod(), node: node() },
            refused(Refusal::Budget { causes: Vec::new() }),
            refused(Refusal::Throttled { after: Some(span) }),
            refused(Refusal::TwoBudgets),
            refused(Refusal::Webhook { message: text("webhook \"guard\" denied it") }),
            refused(Refusal::NamespaceTerminating),
            refused(Refusal::Forbidden { message: text("cannot create pods/eviction") }),
            refused(Refusal::Gone),
            refused(Refusal::Conflict { message: text("the uid is another") }),
            refused(Refusal::Failed { code: 500, message: text("internal error") }),
            Event::PodDeleted { pod: pod(), node: node(), why: DeletedFor::Force },
            Event::PodDeleted { pod: pod(), node: node(), why: DeletedFor::DisableEviction },
            Event::PodGoesDown { pod: pod(), node: node() },
            Event::PodGone { pod: pod(), node: node(), after: span },
            Event::PodLandedBack { pod: pod(), node: node(), toleration: text("every taint") },
            Event::NodeDrained { node: node(), pods: 14, took: span },
            Event::Terminating { member: member(), decrement: true },
            Event::TerminateUnknown { instance: "i-1".into(), why: text("connection reset") },
            Event::InstanceLeft { member: member(), ours: true },
            Event::InstanceLeft { member: member(), ours: false },
            Event::Launched { instance: "i-2".into(), replaces: None },
            Event::Joined { node: node(), instance: "i-2".into() },
            Event::Serves { node: node(), instance: "i-2".into(), replaces: None, took: span },
            Event::Serves { node: node(), instance: "i-2".into(), replaces: Some(member()), took: span },
            Event::Replaced { member: Member { node: None, ..member() }, by: None, took: span },
            Event::Replaced { member: member(), by: Some(node()), took: span },
            stuck(Stuck::PodEviction { after: span, held: Vec::new() }),
            stuck(Stuck::NodeCreation { after: span, on: WaitingOn::Reading }),
            stuck(Stuck::Refused { act: EffectKey::Size, refusal: Refusal::Gone }),
            Event::NodeReleased { node: node() },
            Event::NodeQuarantined { node: node() },
            Event::NodeUncordonedByOther { node: node() },
            Event::Waiting { who: text("node/a"), on: Vec::new(), since: at(0), until: None, pods_left: Some(3) },
            Event::ActFailed { act: EffectKey::Pod("u1".into()), why: text("no answer") },
            Event::Diagnosed { diagnosis: Box::new(crate::report::fixtures::diagnosis()) },
            Event::Warning { message: text("something is odd") },
            Event::StopRequested,
            Event::RunEnded { outcome: RunOutcome::Quarantined { nodes: [node()].into() }, left: 1, replaced: 1 },
        ]
    }

    #[test]
    fn every_event_survives_the_journal() {
        for event in every() {
            let record = Record { at: at(0), event };
            let line = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record, "{line}");
        }
    }

    #[test]
    fn a_node_that_is_given_back_serves_again_only_where_the_cordon_was_ours() {
        let said = |ours: bool| {
            let mut tale = Tale::begin(2);
            tale.cordon(4, 1);
            tale.tell(5, Event::NodeCordoned { node: node(1, 1), ours });
            let told = told(&Event::NodeReleased { node: node(1, 1) }, &Progress::of(&tale.0)).unwrap();
            tale.tell(6, Event::NodeReleased { node: node(1, 1) });
            tale.end(7, RunOutcome::Interrupted, 2, 0);
            let ending = crate::report::fixtures::said(&tale, crate::report::fixtures::prod());
            let left = ending.lines().nth(1).unwrap().to_owned();
            format!("{} {} {}\n{left}", told.subject, told.verb, told.detail)
        };
        assert_snapshot!(said(true), @"
        node/ip-10-0-1-1.eu-west-1.compute.internal uncordoned serves again
        2> 0 of 2 old nodes are replaced; ip-10-0-1-1 serves again; nothing is in flight
        ");
        assert_snapshot!(said(false), @"
        node/ip-10-0-1-1.eu-west-1.compute.internal given back stays cordoned: somebody else had cordoned it before
        2> 0 of 2 old nodes are replaced; ip-10-0-1-1 is given back and stays cordoned by
        ");
    }

    #[test]
    fn every_event_has_its_sentence_or_leaves_it_to_another() {
        let progress = Progress::of(&Tale::begin(2).0);
        let sentences = every().into_iter().filter_map(|event| told(&event, &progress)).map(|told| {
            let stream = if told.answer { "" } else { "2> " };
            format!("{stream}{} {} {}", told.subject, told.verb, told.detail).trim_end().to_owned()
        });
        assert_snapshot!(sentences.collect::<Vec<_>>().join("\n"), @r#"
        nodegroup/apps resumes 0 nodes of 2 left
        nodegroup/apps grows to 14 nodes (+2) while it is upgraded
        2> nodegroup/apps goes on without an extra node (VcpuLimitExceeded)
        nodegroup/apps AZRebalance resumed
        node/ip-10-0-1-1.eu-west-1.compute.internal cordoned by somebody else already
        pod/shop/cart-1 evicted from ip-10-0-1-1
        2> pod/shop/cart-1 not evicted from ip-10-0-1-1: more than one PodDisruptionBudget counts this pod
        2> pod/shop/cart-1 not evicted from ip-10-0-1-1: webhook "guard" denied it
        2> pod/shop/cart-1 not evicted from ip-10-0-1-1: its namespace is being deleted
        2> pod/shop/cart-1 not evicted from ip-10-0-1-1: cannot create pods/eviction
        2> pod/shop/cart-1 not evicted from ip-10-0-1-1: the uid is another
        2> pod/shop/cart-1 not evicted from ip-10-0-1-1: 500: internal error
        pod/shop/cart-1 deleted from ip-10-0-1-1 (--force, after the drain timeout)
        pod/shop/cart-1 deleted from ip-10-0-1-1 (--disable-eviction)
        2> pod/shop/cart-1 goes down with ip-10-0-1-1: --force has deleted what it could
        2> pod/shop/cart-1 landed on ip-10-0-1-1, which is cordoned: it tolerates every taint
        node/ip-10-0-1-1.eu-west-1.compute.internal drained 14 pods in 2m04s
        2> instance/i-1 termination unanswered (connection reset); looking tells
        node/ip-10-0-1-1.eu-west-1.compute.internal terminated i-0f3a01
        2> node/ip-10-0-1-1.eu-west-1.compute.internal lost i-0f3a01 left the group, and not through mngup: spot, or somebody else
        node/ip-10-0-1-1.eu-west-1.compute.internal serves as an extra node, 2m04s after its launch
        node/ip-10-0-1-1.eu-west-1.compute.internal serves for ip-10-0-1-1, 2m04s after its launch
        instance/i-0f3a01 replaced 0 of 2 in 2m04s, without a successor: the group was one larger
        node/ip-10-0-1-1.eu-west-1.compute.internal replaced 0 of 2 in 2m04s
        2> node/ip-10-0-1-1.eu-west-1.compute.internal stuck PodEvictionFailure: 0 pods left after 2m04s
        2> node/ip-10-0-1-1.eu-west-1.compute.internal stuck NodeCreationFailure: no new node serves after 2m04s
        2> node/ip-10-0-1-1.eu-west-1.compute.internal stuck refused: it is gone
        node/ip-10-0-1-1.eu-west-1.compute.internal given back
        node/ip-10-0-1-1.eu-west-1.compute.internal quarantined stays cordoned; the run goes on without it
        2> node/ip-10-0-1-1.eu-west-1.compute.internal uncordoned by somebody else while its pods were leaving
        2> pod with uid u1 not changed yet (no answer)
        2> warning:  something is odd
        2> nodegroup/apps stops once the nodes in flight are safe; no more are chosen. Ctrl-C again leaves at once
        "#);
    }
}
