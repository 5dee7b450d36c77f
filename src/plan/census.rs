//! Who of the group serves, who is old, and who is out: one pass over its instances.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::staleness::evidence;
use crate::domain::{InstanceId, Lifecycle, Member, Node, Policy, Snapshot, Zone};

/// The group at one moment, seat by seat.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Members that are in the group and not on their way out.
    pub seats: BTreeMap<InstanceId, Seat>,
    /// How many of them are available.
    pub available: u32,
    /// Members that are not available although nobody chose them, by title, and why.
    pub out: Vec<(String, String)>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Which.
    pub member: Member,
    /// Whether it is to be replaced.
    pub old: bool,
    /// Whether it is of the kind that is to be replaced, be it named or not.
    pub outdated: bool,
    /// In service, Node Ready and schedulable, and not chosen.
    pub available: bool,
    /// Whether the run has taken it out: in flight, or quarantined.
    pub taken: bool,
    /// Whether it was given back, and is not chosen again.
    pub spared: bool,
    /// Whether it stands apart from the serving group (`Standby`): somebody put it there, and it is theirs.
    pub apart: bool,
    /// Whether all nodes of the cluster were looked through and none is this instance's.
    pub no_node: bool,
    /// When its Node registered.
    pub created_at: Option<Timestamp>,
}

/// What members are to a run; a run that has not begun knows none.
#[derive(Clone, Debug, Default)]
pub struct Roles<'a> {
    /// Those it has taken out.
    pub taken: BTreeSet<&'a InstanceId>,
    /// Those it gave back, and does not choose again.
    pub spared: BTreeSet<&'a InstanceId>,
    /// Those that came and do not serve yet.
    pub arriving: BTreeSet<&'a InstanceId>,
    /// Those that came since it began here.
    pub fresh: BTreeSet<&'a InstanceId>,
}

impl Census {
    /// Counts the group for a run that began at `since`.
    #[must_use]
    pub fn take(snapshot: &Snapshot, policy: &Policy, since: Timestamp, roles: &Roles<'_>) -> Self {
        let mut census = Self::default();
        let Some(group) = snapshot.group() else { return census };
        for instance in group.instances.values() {
            if matches!(instance.lifecycle, Lifecycle::Terminating(_)) {
                continue;
            }
            let node = snapshot.node_of(&instance.id);
            let member = Member {
                instance: instance.id.clone(),
                node: node.map(|n| n.name.clone()),
                zone: instance.zone.clone(),
            };
            let taken = roles.taken.contains(&instance.id);
            let arriving = roles.arriving.contains(&instance.id).then(|| "it does not serve yet".to_owned());
            let why_out = why_out(&instance.lifecycle, node).or(arriving);
            let named = policy.only.is_empty() || node.is_some_and(|node| policy.only.contains(&node.name));
            // Nodes that joined after the run began are its own replacements: `--all-nodes` means those before. Those
            // that were seen to come need no clock for that, which may differ from the server's.
            let before = |node: &Node| node.created_at < since && !roles.fresh.contains(&instance.id);
            let asked = policy.all_nodes && node.is_some_and(before);
            let apart = matches!(instance.lifecycle, Lifecycle::Apart(_));
            let outdated = asked || evidence(instance, group).is_some();
            let old = named && !apart && outdated;
            let available = !taken && why_out.is_none();
            census.available += u32::from(available);
            if let (false, Some(why)) = (taken, why_out) {
                census.out.push((member.title(), why));
            }
            let created_at = node.map(|node| node.created_at);
            let no_node = instance.no_node && node.is_none();
            let spared = roles.spared.contains(&instance.id);
            let seat = Seat { member, old, outdated, available, taken, spared, apart, no_node, created_at };
            census.seats.insert(instance.id.clone(), seat);
        }
        census
    }

    /// Old members that wait for their turn.
    pub fn candidates(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(|seat| seat.old && !seat.taken && !seat.spared && !seat.is_riddle())
    }

    /// Old members of which nobody knows whether they are a Node.
    pub fn riddles(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(|seat| seat.old && !seat.taken && seat.is_riddle())
    }

    /// How many members of this zone are available.
    #[must_use]
    pub fn available_in(&self, zone: &Zone) -> usize {
        self.seats.values().filter(|seat| seat.available && seat.member.zone == *zone).count()
    }
}

impl Seat {
    /// Whether its Node is not among those seen, and nobody has looked through all nodes for it: it may be one under
    /// other labels, with pods on it.
    fn is_riddle(&self) -> bool {
        self.member.node.is_none() && !self.no_node
    }
}

fn why_out(lifecycle: &Lifecycle, node: Option<&Node>) -> Option<String> {
    let Lifecycle::InService = lifecycle else { return Some(format!("its instance is {lifecycle}")) };
    let Some(node) = node else { return Some("its instance never became a Node".to_owned()) };
    if !node.is_ready() {
        return Some("its Node is not Ready".to_owned());
    }
    node.unschedulable.then(|| "somebody cordoned it".to_owned())
}
