//! The state of a run. How events change it is in `evolve`; nothing here decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    choose::asked,
    effect::{Effect, EffectKey},
    event::{RunOutcome, Stuck},
    phase::{NodePhase, RunPhase},
    waiting::WaitingOn,
};
use crate::{
    domain::{
        Group, Instance, InstanceId, Intent, LaunchTarget, Member, NodeName, PodRef, Refusal, Size, Snapshot, Uid,
    },
    drain::Ledger,
    plan::evidence,
};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Replace every old node.
    Upgrade,
    /// Undo what the run did, and only that.
    Abort,
}

/// A run: what it means to do, where it is, and what is under way.
#[derive(Clone, Debug)]
pub struct Rollout {
    pub(super) goal: Goal,
    pub(super) intent: Intent,
    /// What the cluster is known to remember.
    pub(super) saved: Option<Intent>,
    pub(super) forgotten: bool,
    pub(super) phase: RunPhase,
    pub(super) flights: BTreeMap<InstanceId, Flight>,
    /// Launches that the group owes us.
    pub(super) owed: Vec<Owed>,
    /// New instances that do not serve yet.
    pub(super) arrivals: BTreeMap<InstanceId, Arrival>,
    /// Instances that were seen before; whatever is not among them is new.
    pub(super) known: BTreeSet<InstanceId>,
    /// When the group was read last, and its desired size then.
    pub(super) group_seen: Option<(Timestamp, u32)>,
    /// Instances that the group was asked to shrink by, and has not been seen to.
    pub(super) shrinking: BTreeSet<InstanceId>,
    /// By how many it is known to have shrunk since it was read.
    pub(super) shrunk: u32,
    /// Nodes that it was to shrink by and that could not be drained.
    pub(super) unshrunk: u32,
    pub(super) shielded: BTreeSet<NodeName>,
    pub(super) quarantined: BTreeMap<InstanceId, Member>,
    /// Given back after a failed drain; not chosen again by this run.
    pub(super) given_up: BTreeSet<InstanceId>,
    pub(super) outstanding: BTreeSet<EffectKey>,
    pub(super) retry_at: BTreeMap<EffectKey, Timestamp>,
    /// How often in a row an act failed.
    pub(super) failures: BTreeMap<EffectKey, u32>,
    /// A size that was asked for and that the group does not show yet; a max of 0 leaves the maximum alone.
    pub(super) resize: Option<Size>,
    /// When the answer to that was lost; a younger reading tells.
    pub(super) resize_lost: Option<Timestamp>,
    /// So many more than others want, once a reading younger than this shows how many that is.
    pub(super) resize_anew: Option<(u32, Timestamp)>,
    pub(super) surge_denied: bool,
    pub(super) shed_denied: bool,
    /// What was done last about each thing, and when: until the world shows it, it is not done again.
    pub(super) recent: BTreeMap<EffectKey, (Effect, Timestamp)>,
    pub(super) ledger: Ledger,
    /// Pods whose eviction was sent and not answered, and the node they were on.
    pub(super) asked: BTreeMap<Uid, NodeName>,
    /// What the group would launch, when it was read last.
    pub(super) target: Option<LaunchTarget>,
    /// Extended resources that every old node offered: a new one that replaces none of them must offer these.
    pub(super) extended: BTreeSet<String>,
    /// Instances that came since the run began here; shielded from the cluster autoscaler while it rolls.
    pub(super) fresh: BTreeSet<InstanceId>,
    pub(super) stop: Option<RunOutcome>,
    /// What did not go on, for the words that the cluster remembers of a stop.
    pub(super) stuck: Vec<(Option<Member>, Stuck)>,
    /// The user asked, whatever it stops for.
    pub(super) asked_to_stop: bool,
    pub(super) ended: Option<RunOutcome>,
    pub(super) replaced: u32,
    pub(super) last_choice: Option<Timestamp>,
    pub(super) told: BTreeMap<String, Told>,
}

/// One node in flight.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Which.
    pub member: Member,
    /// When its turn came.
    pub chosen_at: Timestamp,
    /// Where it is.
    pub phase: NodePhase,
    /// Pods that were asked to leave by us and are not gone.
    pub(super) leaving: BTreeMap<Uid, PodRef>,
    /// Pods that left since its turn came.
    pub(super) moved: u32,
    /// Pods that came onto it although it is cordoned.
    pub(super) landed: BTreeMap<Uid, String>,
    /// When the cordon was confirmed; none while it is not, or when somebody undid it.
    pub(super) cordoned_at: Option<Timestamp>,
    /// When the drain timeout ran out, or runs out, for the first time.
    pub(super) first_deadline: Option<Timestamp>,
    /// Since when what is left on it is deleted by force.
    pub(super) forced_at: Option<Timestamp>,
    /// Pods that were told to go down with it.
    pub(super) goes_down: BTreeSet<Uid>,
    /// Whether it leaves only so that the group gets back to its size.
    pub(super) shrink: bool,
    /// Extended resources that its replacement must offer.
    pub(super) extended: BTreeMap<String, u64>,
}

/// A launch that the group owes us.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    pub(super) replaces: Option<Member>,
    pub(super) since: Timestamp,
    /// How many that came for it were lost before they served.
    pub(super) lost: u32,
}

/// A new instance that does not serve yet.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) replaces: Option<Member>,
    /// Since when it is owed: the patience of the replacement timeout.
    pub(super) owed_since: Timestamp,
    pub(super) first_seen: Timestamp,
    pub(super) joined: Option<NodeName>,
    /// How many before it were lost before they served.
    pub(super) lost: u32,
}

/// What was last told about who waits.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) since: Timestamp,
    pub(super) on: Vec<WaitingOn>,
}

impl Rollout {
    /// A run that begins.
    #[must_use]
    pub fn begin(intent: Intent, snapshot: &Snapshot) -> Self {
        let known = snapshot.group().map(|group| group.instances.keys().cloned().collect()).unwrap_or_default();
        Self {
            goal: Goal::Upgrade,
            intent,
            saved: None,
            forgotten: false,
            phase: RunPhase::Preflight,
            flights: BTreeMap::new(),
            owed: Vec::new(),
            arrivals: BTreeMap::new(),
            known,
            group_seen: None,
            shrinking: BTreeSet::new(),
            shrunk: 0,
            unshrunk: 0,
            shielded: BTreeSet::new(),
            quarantined: BTreeMap::new(),
            given_up: BTreeSet::new(),
            outstanding: BTreeSet::new(),
            retry_at: BTreeMap::new(),
            failures: BTreeMap::new(),
            resize: None,
            resize_lost: None,
            resize_anew: None,
            surge_denied: false,
            shed_denied: false,
            recent: BTreeMap::new(),
            ledger: Ledger::default(),
            asked: BTreeMap::new(),
            target: snapshot.group().map(|group| group.target.clone()),
            extended: offered_by_all_old(snapshot).into_iter().map(str::to_owned).collect(),
            fresh: BTreeSet::new(),
            stop: None,
            stuck: Vec::new(),
            asked_to_stop: false,
            ended: None,
            replaced: 0,
            last_choice: None,
            told: BTreeMap::new(),
        }
    }

    /// What the run means to do.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> RunPhase {
        self.phase
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<&RunOutcome> {
        self.ended.as_ref()
    }

    /// Nodes replaced since it began or was resumed here.
    #[must_use]
    pub fn replaced(&self) -> u32 {
        self.replaced
    }

    /// Nodes in flight, by instance.
    #[must_use]
    pub fn flights(&self) -> &BTreeMap<InstanceId, Flight> {
        &self.flights
    }

    /// What it stops for, once it does.
    #[must_use]
    pub fn stopping(&self) -> Option<&RunOutcome> {
        self.stop.as_ref()
    }

    /// Whether its turn may come, or has come, so that it matters whether it is a Node under other labels.
    #[must_use]
    pub fn may_take(&self, instance: &Instance, group: &Group) -> bool {
        let launched_by_us = self.fresh.contains(&instance.id);
        let old = evidence(instance, group).is_some() || self.intent.policy.all_nodes && !launched_by_us;
        old || self.flights.contains_key(&instance.id)
    }

    /// Whether nodes are to come: launches that the group owes, or new nodes that do not serve yet.
    #[must_use]
    pub fn awaits_nodes(&self) -> bool {
        !self.owed.is_empty() || !self.arrivals.is_empty()
    }

    /// What the server said last to this pod's eviction, and since when it says so.
    #[must_use]
    pub fn refusal(&self, pod: &Uid) -> Option<(&Refusal, Timestamp)> {
        self.ledger.refusal(pod)
    }

    /// Members that the run has taken out: in flight, or quarantined.
    #[must_use]
    pub fn taken(&self) -> BTreeSet<&InstanceId> {
        self.flights.keys().chain(self.quarantined.keys()).collect()
    }
}

/// The extended resources that all old nodes offer; where none is old, those that all nodes do.
#[must_use]
pub fn offered_by_all_old(snapshot: &Snapshot) -> BTreeSet<&str> {
    let Some(group) = snapshot.group() else { return BTreeSet::new() };
    let offers = |old: bool| {
        let members = group.instances.values().filter(|instance| !old || evidence(instance, group).is_some());
        let nodes = members.filter_map(|instance| snapshot.node_of(&instance.id)).filter(|node| node.is_ready());
        nodes
            .map(|node| node.extended.keys().map(String::as_str).collect())
            .reduce(|all: BTreeSet<_>, each| &all & &each)
    };
    offers(true).or_else(|| offers(false)).unwrap_or_default()
}

impl Flight {
    pub(super) fn new(member: Member, chosen_at: Timestamp) -> Self {
        let phase = if member.node.is_some() {
            NodePhase::Cordoning
        } else {
            // What never became a node has no pods to lose.
            NodePhase::Settling { drained_at: chosen_at }
        };
        Self {
            member,
            chosen_at,
            phase,
            leaving: BTreeMap::new(),
            moved: 0,
            landed: BTreeMap::new(),
            cordoned_at: None,
            first_deadline: None,
            forced_at: None,
            goes_down: BTreeSet::new(),
            shrink: false,
            extended: BTreeMap::new(),
        }
    }

    /// Whether its termination was asked for, or may have been.
    pub(super) fn is_asked_to_leave(&self) -> bool {
        matches!(self.phase, NodePhase::Terminating { call, .. } if asked(call))
    }

    /// Pods that came onto it although it is cordoned, and what lets them.
    #[must_use]
    pub fn landed(&self) -> &BTreeMap<Uid, String> {
        &self.landed
    }

    /// Pods that left since its turn came.
    #[must_use]
    pub fn moved(&self) -> u32 {
        self.moved
    }
}
