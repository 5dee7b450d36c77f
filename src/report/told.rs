//! One sentence for each event: `kind/name verb`, then what there is to add.

use super::{names::Names, paint::Tone, progress::Progress, wording};
use crate::{
    domain::{PodRef, short},
    engine::{
        effect::{EffectKey, Refusal},
        event::{DeletedFor, Event, Member, Stuck},
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
        Event::RunResumed { old, .. } => {
            let left = wording::count(u32::try_from(old.len()).unwrap_or(u32::MAX), "node");
            Some(Told::fact(group(), "resumes", format!("{left} of {} left", progress.total)))
        }
        Event::SurgeRequested { nodes: nodes @ 1.. } => {
            Some(Told::fact(group(), "grows", format!("by {} while it is upgraded", wording::count(*nodes, "node"))))
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
        Event::SurgeRequested { nodes: 0 }
        | Event::PodRefused { refusal: Refusal::Budget { .. } | Refusal::Throttled { .. } | Refusal::Gone, .. } => None,
        Event::PodRefused { pod, node, refusal } => {
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
        Event::NodeReleased { node } => Some(Told::fact(format!("node/{node}"), "uncordoned", "serves again")),
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
        | Event::Phase { .. }
        | Event::NodeChosen { .. }
        | Event::PodGone { .. }
        | Event::Terminating { .. }
        | Event::Launched { .. }
        | Event::Joined { .. }
        | Event::Waiting { .. }
        | Event::RunEnded { .. }
        | Event::Issued(_)
        | Event::EvictionSent(_) => None,
    }
}

/// The node's short name, or its instance where it never became one.
pub(super) fn called<'a>(member: &'a Member, names: &Names) -> &'a str {
    member.node.as_ref().map_or(member.instance.as_str(), |node| names.short(node))
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
