//! What the answers to acts mean.

use std::time::Duration;

use super::{
    choose,
    draft::{Draft, TRIES},
    effect::{CloudAct, Effect, EffectKey, KubeAct, Outcome, Refusal},
    event::{DeletedFor, Event, Note, Stuck},
    phase::NodePhase,
};
use crate::domain::{NodeMark, NodeName, NodePatch, PodRef, later};

/// An act that failed is tried again after this long, doubled with each failure in a row.
const RETRY: Duration = Duration::from_secs(2);

/// And never later than this.
const RETRY_MOST: Duration = Duration::from_secs(30);

/// A group that refuses so often to shrink has a reason that stays, as a minimum that somebody raised.
const SHRINK_TRIES: u32 = 3;

/// Turns the answer to an act into events.
pub(super) fn take(draft: &mut Draft<'_>, effect: &Effect, outcome: &Outcome) {
    draft.note(Note::Answered(effect.key()));
    match effect {
        Effect::Kube(KubeAct::SaveIntent(intent)) => {
            let saved = Note::IntentSaved(intent.clone());
            plain(draft, effect, outcome, |draft| draft.note(saved));
        }
        Effect::Kube(KubeAct::ForgetIntent) => {
            let gone = matches!(outcome, Outcome::Refused(Refusal::Gone));
            let outcome = if gone { &Outcome::Done } else { outcome };
            plain(draft, effect, outcome, |draft| draft.note(Note::IntentForgotten));
        }
        Effect::Kube(KubeAct::PatchNode(node, patch)) => match outcome {
            // The Node is gone: the next look at the group says what became of its instance.
            Outcome::Refused(Refusal::Gone) => {}
            Outcome::Done | Outcome::Refused(_) | Outcome::Unknown(_) => {
                plain(draft, effect, outcome, |draft| patched(draft, node, patch));
            }
        },
        Effect::Kube(KubeAct::Evict { pod, .. }) => evicted(draft, pod, outcome, None),
        Effect::Kube(KubeAct::DeletePod { pod, .. }) => {
            let why =
                if draft.run.intent.policy.disable_eviction { DeletedFor::DisableEviction } else { DeletedFor::Force };
            evicted(draft, pod, outcome, Some(why));
        }
        Effect::Cloud(CloudAct::Terminate { instance, decrement }) => match outcome {
            Outcome::Done => {
                if *decrement {
                    draft.note(Note::ShrunkBy(instance.clone()));
                }
                draft.note(Note::TerminationAccepted(instance.clone()));
            }
            // It was leaving already, or has left: the group did not shrink by it.
            Outcome::Refused(Refusal::Gone) => draft.note(Note::TerminationAccepted(instance.clone())),
            Outcome::Unknown(why) => {
                draft.event(Event::TerminateUnknown { instance: instance.clone(), why: why.clone() });
            }
            Outcome::Refused(refusal) => {
                draft.note(Note::TerminationNotDone(instance.clone()));
                plain(draft, effect, outcome, |_| ());
                let for_good = matches!(refusal, Refusal::Failed { code: ..500, .. });
                if *decrement && for_good && draft.failures(&effect.key()) + 1 >= SHRINK_TRIES {
                    choose::keep_size(draft, "Auto Scaling refuses to shrink it");
                }
            }
        },
        Effect::Cloud(CloudAct::SetSize { desired: Some(step), .. })
            if draft.run.resize.is_some() && matches!(outcome, Outcome::Refused(Refusal::Conflict { .. })) =>
        {
            // Somebody else moved the size first: what was asked for is so many more than there are now.
            draft.note(Note::SizeMovedByOther { more: step.to.saturating_sub(step.from) });
        }
        Effect::Cloud(CloudAct::SetSize { desired, .. }) => match outcome {
            Outcome::Unknown(_) if draft.run.resize.is_some() => {
                draft.note(Note::ResizeLost);
                plain(draft, effect, outcome, |_| ());
            }
            Outcome::Refused(refusal @ (Refusal::Forbidden { .. } | Refusal::Failed { .. }))
                if draft.run.resize.is_some() && !passes(draft, refusal) =>
            {
                // What was never got is not claimed: others may add as many, and those are theirs.
                let more = desired.map_or(0, |step| step.to.saturating_sub(step.from));
                draft.note(Note::Claims(draft.run.intent.surge.saturating_sub(more)));
                draft.event(Event::SurgeUnavailable { why: refusal.to_string() });
            }
            Outcome::Done | Outcome::Refused(_) | Outcome::Unknown(_) => {
                let fewer = desired.map_or(0, |step| step.from.saturating_sub(step.to));
                plain(draft, effect, outcome, |draft| {
                    if fewer > 0 {
                        draft.note(Note::Claims(draft.run.intent.surge.saturating_sub(fewer)));
                    }
                });
            }
        },
        Effect::Cloud(act @ (CloudAct::SuspendAzRebalance | CloudAct::ResumeAzRebalance)) => {
            let suspended = *act == CloudAct::SuspendAzRebalance;
            plain(draft, effect, outcome, |draft| draft.event(Event::AzRebalance { suspended }));
        }
    }
}

/// Done goes on, a missing right stops the run, everything else is tried again.
fn plain(draft: &mut Draft<'_>, effect: &Effect, outcome: &Outcome, done: impl FnOnce(&mut Draft<'_>)) {
    let key = effect.key();
    let why = match outcome {
        Outcome::Done => {
            draft.note(Note::Succeeded(Box::new(effect.clone())));
            return done(draft);
        }
        Outcome::Refused(refusal @ Refusal::Forbidden { .. }) => {
            refused_for_good(draft, &key, refusal);
            refusal.to_string()
        }
        Outcome::Refused(refusal) => refusal.to_string(),
        Outcome::Unknown(why) => why.clone(),
    };
    let failures = draft.failures(&key);
    let pause = RETRY.saturating_mul(1 << failures.min(8)).min(RETRY_MOST);
    draft.note(Note::RetryAt(key.clone(), later(draft.now, pause)));
    draft.event(Event::ActFailed { act: key, why });
}

/// Whether another size may yet be had though the server says no: it fails itself, and not for ever.
fn passes(draft: &Draft<'_>, refusal: &Refusal) -> bool {
    let busy = matches!(refusal, Refusal::Failed { code: 500.., .. });
    busy && draft.failures(&EffectKey::Size) + 1 < TRIES
}

fn refused_for_good(draft: &mut Draft<'_>, key: &EffectKey, refusal: &Refusal) {
    if draft.run.stop.is_none() {
        let why = Stuck::Refused { act: key.clone(), refusal: refusal.clone() };
        draft.event(Event::NodeStuck { member: None, why });
    }
}

fn patched(draft: &mut Draft<'_>, node: &NodeName, patch: &NodePatch) {
    let flight = draft.run.flights.values().find(|flight| flight.member.node.as_ref() == Some(node));
    let again = patch.unschedulable == Some(true) && !patch.marks.iter().any(|m| matches!(m, NodeMark::Chosen(_)));
    if again {
        draft.event(Event::NodeCordoned { node: node.clone(), ours: true });
    }
    for mark in &patch.marks {
        match mark {
            NodeMark::Chosen(_) => {
                let ours = patch.marks.contains(&NodeMark::Cordoned);
                draft.event(Event::NodeCordoned { node: node.clone(), ours });
            }
            NodeMark::Terminating(..) => {
                if let Some(flight) = flight {
                    draft.note(Note::TerminationMarked(flight.member.instance.clone()));
                }
            }
            // The watch may have shown it before the answer came, and it was told then.
            NodeMark::Quarantined(_) if flight.is_none() => {}
            NodeMark::Quarantined(_) => draft.event(Event::NodeQuarantined { node: node.clone() }),
            NodeMark::Shielded => draft.note(Note::Shielded(node.clone())),
            NodeMark::Run(_) | NodeMark::Cordoned | NodeMark::Excluded => {}
        }
    }
    if flight.is_some_and(|flight| flight.phase == NodePhase::Releasing) && !patch.unmark.is_empty() {
        draft.event(Event::NodeReleased { node: node.clone() });
    }
}

fn evicted(draft: &mut Draft<'_>, pod: &PodRef, outcome: &Outcome, deleted: Option<DeletedFor>) {
    // The pod may be gone before the answer comes, so the node is the one it was asked on.
    let Some(node) = draft.run.asked.get(&pod.uid).cloned() else { return };
    let pod = pod.clone();
    match (outcome, deleted) {
        (Outcome::Done, None) => draft.event(Event::PodEvicted { pod, node }),
        (Outcome::Done, Some(why)) => draft.event(Event::PodDeleted { pod, node, why }),
        (Outcome::Refused(Refusal::Gone | Refusal::Conflict { .. }), _) => {
            draft.note(Note::EvictionLost(pod.uid, "the pod is gone".to_owned()));
        }
        (Outcome::Refused(refusal), _) => {
            let key = EffectKey::Pod(pod.uid.clone());
            draft.event(Event::PodRefused { pod, node, refusal: refusal.clone() });
            // What stops a run is told after what was refused: whoever looks for the cause then knows of it.
            if matches!(refusal, Refusal::Forbidden { .. }) {
                refused_for_good(draft, &key, refusal);
            }
        }
        (Outcome::Unknown(why), _) => draft.note(Note::EvictionLost(pod.uid, why.clone())),
    }
}
