//! What a run is at, from its events.

use super::*;
use crate::{
    engine::{
        event::{OldNode, RunOutcome},
        waiting::WaitingOn,
    },
    report::fixtures::{Tale, at, blocked, budget, intent, member, never},
};

#[test]
fn an_estimate_needs_a_node_that_is_done_and_counts_lanes() {
    let mut tale = Tale::begin(12);
    assert_eq!(Progress::of(&tale.0).remaining(at(3)), None);
    tale.roll(4, 1);
    // Eleven nodes of four minutes each, two at a time.
    assert_eq!(Progress::of(&tale.0).remaining(at(244)), Some(Duration::from_mins(22)));
    tale.cordon(250, 2);
    let progress = Progress::of(&tale.0);
    assert_eq!((progress.done, progress.left(), progress.in_flight.len()), (1, 11, 1));
    assert_eq!(progress.remaining(at(370)), Some(Duration::from_mins(21)));
}

#[test]
fn what_settles_is_not_about_to_be_done_however_long_it_drained() {
    let mut tale = Tale::begin(2);
    tale.roll(4, 1);
    tale.cordon(250, 2);
    tale.drained(600, 2, 3);
    // Its 60 seconds, then 18 until the instance has left and 124 until the new node serves, as the first one took.
    assert_eq!(Progress::of(&tale.0).remaining(at(601)), Some(Duration::from_secs(59 + 18 + 124)));
    tale.tell(680, Event::InstanceLeft { member: member(2), ours: true });
    assert_eq!(Progress::of(&tale.0).remaining(at(684)), Some(Duration::from_secs(120)));
    // "About 0s left" would be said for as long as it takes.
    assert_eq!(Progress::of(&tale.0).remaining(at(900)), None);
}

#[test]
fn nodes_that_become_old_in_the_middle_are_counted_too() {
    let mut tale = Tale::begin(2);
    for number in 1..=3 {
        tale.roll(u64::from(number) * 300, number);
    }
    let progress = Progress::of(&tale.0);
    assert_eq!((progress.done, progress.total), (3, 3));
}

#[test]
fn nothing_is_estimated_while_a_node_stands_still() {
    let mut tale = Tale::begin(12);
    tale.roll(4, 1);
    tale.cordon(250, 2);
    assert!(Progress::of(&tale.0).remaining(at(260)).is_some());
    let on = |view| vec![WaitingOn::Budget(Box::new(view))];
    tale.waits(261, 2, 250, on(budget()), Some(3));
    // Its budget may allow it in a moment; after twice the time of the others nobody believes that any more.
    assert!(Progress::of(&tale.0).remaining(at(300)).is_some());
    assert_eq!(Progress::of(&tale.0).remaining(at(800)), None);
    tale.waits(301, 2, 250, on(never()), Some(3));
    assert_eq!(Progress::of(&tale.0).remaining(at(302)), None);
}

#[test]
fn a_node_that_is_gone_counts_once_another_serves() {
    let mut tale = Tale::begin(12);
    tale.roll(4, 1);
    assert_eq!(Progress::of(&tale.0).short_of(0).done, 1);
    assert_eq!(Progress::of(&tale.0).short_of(1).done, 0);
    assert_eq!(Progress::of(&tale.0).short_of(2).done, 0);
}

#[test]
fn a_resumed_run_counts_what_was_done_before() {
    let mut tale = blocked();
    tale.end(500, RunOutcome::Interrupted, 10, 2);
    let evidence = crate::engine::event::Evidence::Asked;
    let old = (3..=12).map(|n| OldNode { member: member(n), evidence: evidence.clone() }).collect();
    tale.tell(900, Event::RunResumed { intent: Box::new(intent(12)), old });
    let progress = Progress::of(&tale.0);
    assert_eq!((progress.total, progress.done, progress.in_flight.len()), (12, 2, 0));
    assert!(progress.history.ended.is_none());
    // The first word of a node may come from the middle of its turn.
    tale.tell(910, Event::Terminating { member: member(4), decrement: false });
    assert_eq!(Progress::of(&tale.0).in_flight[0].stage, Stage::Terminating);
}

#[test]
fn a_node_that_is_lost_before_its_turn_is_followed_until_it_is_replaced() {
    let mut tale = Tale::begin(3);
    tale.tell(10, Event::InstanceLeft { member: member(2), ours: false });
    assert_eq!(Progress::of(&tale.0).in_flight[0].stage, Stage::Replacing);
    tale.tell(90, Event::Replaced { member: member(2), by: None, took: Duration::from_secs(80) });
    let progress = Progress::of(&tale.0);
    assert_eq!((progress.done, progress.in_flight.len()), (1, 0));
}

#[test]
fn one_that_is_lost_on_its_way_in_is_not_in_flight() {
    let mut tale = Tale::begin(3);
    tale.tell(10, Event::InstanceLeft { member: member(2), ours: true });
    let launched = |number| Event::Launched { instance: member(number).instance, replaces: Some(member(2)) };
    for number in [7, 8] {
        tale.tell(20, launched(number));
        tale.tell(30, Event::InstanceLeft { member: member(number), ours: false });
    }
    let progress = Progress::of(&tale.0);
    let in_flight: Vec<_> = progress.in_flight.iter().map(|flight| &flight.member).collect();
    assert_eq!(in_flight, [&member(2)]);
}
