//! What the engine notes down for itself between its events.

use jiff::Timestamp;

use super::{
    effect::{Effect, EffectKey},
    event::RunOutcome,
};
use crate::{
    domain::{InstanceId, Intent, LaunchTarget, NodeName, PodRef, Size, Uid},
    drain::Token,
};

/// Bookkeeping that changes the state but is no news to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An act was handed to the shell.
    Issued(EffectKey),
    /// It was answered, whatever the answer.
    Answered(EffectKey),
    /// It worked; until the world shows it, it is not done again.
    Succeeded(Box<Effect>),
    /// It failed, and is not to be tried again before then.
    RetryAt(EffectKey, Timestamp),
    /// An eviction or deletion is about to be sent, of this pod on this node.
    EvictionSent(PodRef, NodeName, Option<Token>),
    /// An eviction's answer was lost, or refused for a reason that says nothing about the pod.
    EvictionLost(Uid, String),
    /// The cluster remembers this intent.
    IntentSaved(Box<Intent>),
    /// The run wants this intent remembered.
    IntentChanged(Box<Intent>),
    /// The cluster forgot the intent: the run left nothing behind.
    IntentForgotten,
    /// The node carries the mark that its termination is about to be asked for.
    TerminationMarked(InstanceId),
    /// The termination was asked for; whether the group shrinks by it.
    TerminationAsked(InstanceId, bool),
    /// The termination was accepted.
    TerminationAccepted(InstanceId),
    /// A fresh look shows that a termination whose answer was lost did not happen.
    TerminationNotDone(InstanceId),
    /// What is left on the node is deleted by force from now on.
    ForceBegan(InstanceId),
    /// Pods are on the node again although it was empty.
    NotEmptyAnyMore(InstanceId),
    /// This reading of the group, with this desired size, was looked through.
    GroupSeen(Timestamp, u32),
    /// A new instance's Node registered and is shielded, or needs no shield.
    Shielded(NodeName),
    /// A launch that is owed will not come: the group's size was lowered by somebody else.
    OwedWrittenOff,
    /// Members are missing that nobody owed us: so many.
    OwedMore(u32),
    /// A new instance does not serve, and is no longer waited for.
    ArrivalGivenUp(InstanceId),
    /// A node that was chosen and not touched yet waits for another turn.
    Unchosen(InstanceId),
    /// The group keeps the nodes that it has too many of.
    ShedGivenUp,
    /// The group wants one fewer: it was asked to shrink by this instance.
    ShrunkBy(InstanceId),
    /// So many members beyond the size at the start are the run's own.
    Claims(u32),
    /// Somebody else moved the desired size before ours was set; so many more than theirs are wanted.
    SizeMovedByOther {
        /// So many.
        more: u32,
    },
    /// These sizes are asked for, now that the others' are known.
    ResizedAnew(Size),
    /// Whether the group heard what size it is to have is not known.
    ResizeLost,
    /// A fresh look shows that it did not.
    ResizeNotDone,
    /// The group has the size that was asked for.
    Resized,
    /// This is what the group would launch now.
    TargetSeen(Box<LaunchTarget>),
    /// The run stops for this; no more nodes are chosen.
    Stopping(RunOutcome),
}
