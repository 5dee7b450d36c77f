//! Which node goes next, and which of the last ones go without a replacement.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;

use super::census::{Census, Seat};
use crate::domain::{InstanceId, Order, Zone};

/// The next member to choose, of those in `allowed`: what serves nobody first, then those that get a replacement
/// before those that the group will shrink by, then as `order` says.
#[must_use]
pub fn next<'a>(
    census: &'a Census,
    order: Order,
    shed: &BTreeSet<InstanceId>,
    allowed: impl Fn(&Seat) -> bool,
) -> Option<&'a Seat> {
    let mut left_in: BTreeMap<&Zone, usize> = BTreeMap::new();
    for seat in census.candidates() {
        *left_in.entry(&seat.member.zone).or_default() += 1;
    }
    let age = |seat: &Seat| seat.created_at.unwrap_or(Timestamp::MIN);
    let key = |seat: &'a Seat| {
        let idle = if seat.no_node { 0 } else { 1 + u8::from(seat.available) };
        let last = shed.contains(&seat.member.instance);
        let name = seat.member.node.as_ref();
        let zone = Reverse(left_in.get(&seat.member.zone).copied().unwrap_or(0));
        // Unused places of the key are equal for all, so that one tuple serves every order.
        let (by_zone, by_age, by_youth) = match order {
            Order::Zone => (zone, age(seat), Reverse(Timestamp::MIN)),
            Order::Oldest => (Reverse(0), age(seat), Reverse(Timestamp::MIN)),
            Order::Newest => (Reverse(0), Timestamp::MIN, Reverse(age(seat))),
            Order::Name => (Reverse(0), Timestamp::MIN, Reverse(Timestamp::MIN)),
        };
        (idle, last, by_zone, by_age, by_youth, name, &seat.member.instance)
    };
    census.candidates().filter(|seat| allowed(seat)).min_by_key(|seat| key(seat))
}

/// The members that the group should shrink by, `count` of them, so that the zones end even: from the fullest zone
/// each time, of those in `eligible`, the one that serves least.
///
/// Uneven zones would have `AZRebalance` move nodes again once it is resumed, and it ignores every budget.
#[must_use]
pub fn shed_by(census: &Census, count: u32, eligible: impl Fn(&Seat) -> bool) -> BTreeSet<InstanceId> {
    if count == 0 {
        return BTreeSet::new();
    }
    let mut in_zone: BTreeMap<&Zone, usize> = BTreeMap::new();
    for seat in census.seats.values() {
        *in_zone.entry(&seat.member.zone).or_default() += 1;
    }
    let mut shed = BTreeSet::new();
    for _ in 0..count {
        let left = census.seats.values().filter(|seat| eligible(seat) && !shed.contains(&seat.member.instance));
        let fullest = left.min_by_key(|seat| {
            let full = Reverse(in_zone.get(&seat.member.zone).copied().unwrap_or(0));
            (full, !seat.old, seat.available, Reverse(seat.created_at), seat.member.instance.clone())
        });
        let Some(seat) = fullest else { break };
        if let Some(members) = in_zone.get_mut(&seat.member.zone) {
            *members -= 1;
        }
        shed.insert(seat.member.instance.clone());
    }
    shed
}
