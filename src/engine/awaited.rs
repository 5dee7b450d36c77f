//! What a run waits for that is yet to come, for those who ask why it does not.

use jiff::Timestamp;

use super::{rollout::Rollout, waiting::WaitingOn};
use crate::domain::{InstanceId, Member, NodeName};

/// A node that is to come.
#[derive(Clone, Debug)]
pub struct Awaited<'a> {
    /// Whom it replaces; none for an extra one.
    pub replaces: Option<&'a Member>,
    /// Since when the group owes it.
    pub since: Timestamp,
    /// How many instances that came for it were lost before they served.
    pub lost: u32,
    /// Its instance, once it is launched.
    pub launched: Option<Launched<'a>>,
}

/// An instance that came and does not serve yet.
#[derive(Clone, Debug)]
pub struct Launched<'a> {
    /// Which.
    pub instance: &'a InstanceId,
    /// When it was seen first.
    pub seen_at: Timestamp,
    /// Its Node, once it has joined.
    pub joined: Option<&'a NodeName>,
    /// Extended resources that it must offer.
    pub extended: Vec<&'a str>,
}

impl Rollout {
    /// The nodes that are to come: launches that the group owes first, then new instances that do not serve yet.
    pub fn awaited(&self) -> impl Iterator<Item = Awaited<'_>> {
        let owed = self.owed.iter().map(|owed| Awaited {
            replaces: owed.replaces.as_ref(),
            since: owed.since,
            lost: owed.lost,
            launched: None,
        });
        let arriving = self.arrivals.iter().map(|(instance, arrival)| Awaited {
            replaces: arrival.replaces.as_ref(),
            since: arrival.owed_since,
            lost: arrival.lost,
            launched: Some(Launched {
                instance,
                seen_at: arrival.first_seen,
                joined: arrival.joined.as_ref(),
                extended: self.demanded(arrival.replaces.as_ref()).collect(),
            }),
        });
        owed.chain(arriving)
    }

    /// Whether it waits because too many nodes are out, whoever took them out.
    #[must_use]
    pub fn is_short_of_nodes(&self) -> bool {
        let mut waits = self.told.values().flat_map(|told| &told.on);
        waits.any(|on| matches!(on, WaitingOn::NodesOut { .. }))
    }

    /// Extended resources that a new node must offer: those of the node that it replaces, else those of all old ones.
    pub(super) fn demanded<'a>(&'a self, replaces: Option<&Member>) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match replaces.and_then(|member| self.flights.get(&member.instance)) {
            Some(flight) => Box::new(flight.extended.keys().map(String::as_str)),
            None => Box::new(self.extended.iter().map(String::as_str)),
        }
    }
}
