//! A node that does not go on: given back to the group, or put into quarantine.

use super::{
    draft::{Draft, TRIES, Wait},
    effect::EffectKey,
    event::{Event, Note, RunOutcome},
    rollout::Flight,
    waiting::WaitingOn,
};
use crate::domain::{Node, NodeMark, NodePatch, PENDING_TAINT};

/// Gives a node back, or puts it into quarantine where that is wanted: one request.
pub(super) fn step(draft: &mut Draft<'_>, flight: &Flight, node: Option<&Node>) {
    let Some(node) = node else {
        // Its Node is gone: there is nothing left to give back.
        return match &flight.member.node {
            Some(node) => {
                if draft.group.instances.contains_key(&flight.member.instance) {
                    let message = format!("node/{node} is not to be seen, and may still be cordoned and marked by us");
                    draft.event(Event::Warning { message });
                }
                draft.event(Event::NodeReleased { node: node.clone() });
            }
            None => draft.note(Note::Unchosen(flight.member.instance.clone())),
        };
    };
    draft.waits(flight.member.title(), Wait { on: vec![WaitingOn::Answers { count: 1 }], ..Wait::default() });
    // It may be done though its answer was lost: what is seen counts.
    if node.marks.is_empty() {
        return draft.event(Event::NodeReleased { node: node.name.clone() });
    }
    if failed(draft, flight) && draft.run.stop.is_none() {
        return draft.note(Note::Stopping(RunOutcome::EvictionFailed));
    }
    let quarantine = draft.run.stop.is_none() && !flight.shrink;
    if quarantine && node.marks.quarantined_at().is_some() {
        return draft.event(Event::NodeQuarantined { node: node.name.clone() });
    }
    if quarantine {
        let marks = vec![NodeMark::Quarantined(draft.now)];
        return draft.patch(&node.name, NodePatch { marks, ..NodePatch::default() });
    }
    draft.patch(&node.name, give_back(node));
}

/// The patch that takes everything of ours off a node.
pub(super) fn give_back(node: &Node) -> NodePatch {
    let tainted = node.taints.contains(&PENDING_TAINT.taint());
    NodePatch {
        unschedulable: node.marks.cordoned().then_some(false),
        excluded: node.marks.excluded().then_some(false),
        pending_taint: tainted.then_some(false),
        shielded: node.marks.shielded().then_some(false),
        marks: Vec::new(),
        unmark: NodePatch::unmark_all(&node.marks),
    }
}

/// Whether it was tried so often that it will not be tried any more.
pub(super) fn failed(draft: &Draft<'_>, flight: &Flight) -> bool {
    let key = flight.member.node.clone().map(EffectKey::Node);
    key.is_some_and(|key| draft.failures(&key) >= TRIES)
}
