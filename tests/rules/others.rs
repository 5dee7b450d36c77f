//! What others do to the group while we roll it, and what a run must make of it.

use std::time::Duration;

use mngup::{
    domain::*,
    engine::{
        Goal, Input,
        effect::{Outcome, Refusal},
        event::RunOutcome,
    },
};

use crate::scene::{MINUTE, Scene, chosen, failed, no_surge, pdb, pod, resume, stopped};

/// The cluster autoscaler adds three nodes in the middle of a run that never asked for an extra one.
#[test]
fn nodes_that_others_added_during_the_run_are_not_taken_away() {
    let mut scene = Scene::new(&[("a", 3)], no_surge());
    scene.settle();
    scene.change_group(|group| group.size.desired = 6);
    for _ in 0..3 {
        scene.launch();
    }
    scene.read_group();
    scene.play();
    let shrunk: Vec<_> = scene.log.iter().filter(|line| line.starts_with("shrink by")).collect();
    assert_eq!((scene.group.size.desired, shrunk.len()), (6, 0), "{shrunk:?}");
}

/// A run of three nodes stopped last week; the group has nine by now, all in use, and the run goes on.
#[test]
fn a_run_that_goes_on_in_a_group_that_grew_keeps_the_budget() {
    let mut scene = Scene::new(&[("a", 3), ("b", 3), ("c", 3)], no_surge());
    let state = stopped(&scene);
    resume(&mut scene, Goal::Upgrade, |intent| {
        intent.size.desired = 3;
        intent.state = state;
    });
    scene.settle();
    assert!(scene.run.flights().len() <= 1, "out at once with maxUnavailable 1: {:?}", chosen(&scene));
}

#[test]
fn abort_does_not_take_away_what_others_added() {
    let mut scene = Scene::new(&[("a", 3), ("b", 3), ("c", 3)], no_surge());
    let state = stopped(&scene);
    resume(&mut scene, Goal::Abort, |intent| {
        intent.size.desired = 3;
        intent.state = state;
    });
    scene.play();
    let shrunk: Vec<_> = scene.log.iter().filter(|line| line.starts_with("shrink by")).collect();
    assert_eq!((scene.group.size.desired, shrunk.len()), (9, 0), "{shrunk:?}");
}

/// "could not take back: the suspension of AZRebalance; mngup abort tries again": it does not.
#[test]
fn abort_resumes_az_rebalance_that_could_not_be_resumed_at_the_end() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.answers.insert("resume AZRebalance".to_owned(), failed(500, "Service Unavailable"));
    scene.play();
    assert!(scene.group.suspended.contains(&Process::AzRebalance));
    scene.answers.clear();
    let state = stopped(&scene);
    resume(&mut scene, Goal::Abort, |intent| intent.state = state);
    scene.play();
    assert!(scene.group.suspended.is_empty(), "AZRebalance stays suspended for ever");
}

#[test]
fn no_more_nodes_are_quarantined_than_may_be() {
    let policy = Policy {
        max_unavailable: Some(IntOrPercent::Int(3)),
        undrainable: Undrainable::Quarantine,
        max_quarantined: 1,
        ..no_surge()
    };
    let mut scene = Scene::new(&[("a", 6)], policy);
    for name in ["a1", "a2", "a3"] {
        scene.see(Change::Pod(Box::new(pod(&format!("web-{name}"), name))));
    }
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 3, 3))));
    scene.settle();
    scene.after(16 * MINUTE);
    scene.settle();
    let quarantined = scene.log.iter().filter(|line| line.starts_with("quarantine")).count();
    assert!(quarantined <= 1, "{quarantined} are quarantined, 1 may be");
}

/// The mark was set, the process died before the call. Overnight somebody uncordoned the node and pods came. The next
/// run cannot list the node's pods yet (the API server is slow), but it can read the group.
#[test]
fn a_node_whose_pods_are_not_known_is_not_terminated() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    let at = scene.now;
    scene.change_node("a1", |node| {
        for mark in [NodeMark::Chosen(at), NodeMark::Cordoned, NodeMark::Terminating(at, false)] {
            let (key, value) = mark.annotation();
            node.marks.0.insert(key.to_owned(), value);
        }
    });
    scene.see(Change::PodsUnwatched("a1".into()));
    resume(&mut scene, Goal::Upgrade, |_| ());
    scene.settle();
    scene.after(Duration::from_secs(11));
    scene.settle();
    let sent = scene.log.iter().any(|line| line == "terminate i-a1");
    assert!(!sent, "terminated while uncordoned and with pods that nobody has looked at");
}

#[test]
fn a_node_that_vanishes_before_its_cordon_does_not_hang_the_run() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.answers.insert("cordon".to_owned(), Outcome::Unknown("timed out".to_owned()));
    scene.settle();
    scene.position("choose a1");
    scene.answers.clear();
    scene.see(Change::NodeGone("a1".into()));
    scene.change_group(|group| group.instances.get_mut(&"i-a1".into()).unwrap().no_node = true);
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
}

/// The run stops for good while a termination was accepted that the group does not show yet.
#[test]
fn a_node_whose_termination_was_accepted_is_not_uncordoned() {
    let mut scene = Scene::new(&[("a", 4)], Policy { max_unavailable: Some(IntOrPercent::Int(2)), ..no_surge() });
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.answers.insert("terminate i-a2".to_owned(), Outcome::Done);
    scene.after(61 * Duration::from_secs(1));
    scene.settle();
    scene.position("terminate i-a2");
    let forbidden = Refusal::Forbidden { message: "cannot create pods/eviction".to_owned() };
    scene.answers.insert("evict web-1".to_owned(), Outcome::Refused(forbidden));
    let relaxed = Pdb { revision: "2".to_owned(), ..pdb("web", 1, 2, 3) };
    scene.see(Change::Pdb(Box::new(relaxed)));
    scene.settle();
    let uncordoned = scene.log.iter().any(|line| line.starts_with("uncordon") && line.ends_with(" a2"));
    assert!(!uncordoned, "pods may be scheduled on a2 while its instance is on the way out: {:#?}", scene.log);
}

/// Two nodes in three zones; what zone a holds in volumes can run nowhere else.
#[test]
fn the_group_does_not_shrink_by_the_last_node_of_a_zone_with_volumes() {
    let mut scene = Scene::new(&[("a", 1), ("b", 1), ("c", 0)], Policy::default());
    scene.see(Change::ZonalVolumes(["a".into()].into()));
    scene.play();
    let zones: Vec<_> = scene.group.instances.values().map(|instance| instance.zone.to_string()).collect();
    assert!(zones.contains(&"a".to_owned()), "no node is left in zone a: {zones:?}\n{:#?}", scene.log);
}

#[test]
fn nor_does_abort() {
    let mut scene = Scene::new(&[("a", 1), ("b", 1), ("c", 0)], Policy::default());
    scene.see(Change::ZonalVolumes(["a".into()].into()));
    scene.see(Change::Pod(Box::new(pod("web-1", "b1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.see(Change::PodGone("web-1".into()));
    resume(&mut scene, Goal::Abort, |_| ());
    scene.play();
    let zones: Vec<_> = scene.group.instances.values().map(|instance| instance.zone.to_string()).collect();
    assert!(zones.contains(&"a".to_owned()), "no node is left in zone a: {zones:?}\n{:#?}", scene.log);
}

/// Released is not replaced.
#[test]
fn a_node_object_that_vanishes_while_it_is_given_back_is_not_called_replaced() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.settle();
    scene.answers.insert("uncordon".to_owned(), Outcome::Unknown("timed out".to_owned()));
    scene.decide(Input::Stop);
    scene.settle();
    scene.see(Change::NodeGone("a1".into()));
    scene.play();
    assert_eq!(scene.run.replaced(), 0, "i-a1 is in service, from the old template");
}

/// The group shrank by our extra node already; what the cluster autoscaler adds now is in use.
#[test]
fn what_others_add_after_our_extra_node_went_stays() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    while !scene.log.iter().any(|line| line.starts_with("shrink by")) {
        scene.after(Duration::from_secs(1));
        scene.settle();
    }
    scene.after(Duration::from_secs(1));
    scene.settle();
    scene.change_group(|group| group.size.desired += 1);
    scene.launch();
    scene.after(Duration::from_secs(1));
    scene.play();
    let shrunk: Vec<_> = scene.log.iter().filter(|line| line.starts_with("shrink by")).collect();
    assert_eq!((scene.group.size.desired, shrunk.len()), (4, 1), "{:#?}", scene.log);
}

/// The cluster autoscaler adds a node in the moment in which we ask for our extra one.
#[test]
fn an_extra_node_is_one_more_than_others_want_by_then() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    let moved = Refusal::Conflict { message: "its desired size moved from 3 to 4".to_owned() };
    scene.answers.insert("size 4".to_owned(), Outcome::Refused(moved));
    scene.settle();
    scene.position("size 4");
    scene.after(Duration::from_secs(1));
    scene.change_group(|group| group.size.desired = 4);
    scene.launch();
    scene.answers.clear();
    scene.after(Duration::from_secs(1));
    scene.settle();
    scene.position("size 5");
    scene.play();
    assert_eq!(scene.group.size.desired, 4, "{:#?}", scene.log);
}

/// Of the nodes that were not named, none is new: what is evicted now would land on an old one and move twice.
#[test]
fn a_node_that_was_named_waits_for_the_extra_one_too() {
    let mut scene = Scene::new(&[("a", 3)], Policy { only: ["a1".into()].into(), ..Policy::default() });
    scene.replaces = false;
    scene.settle();
    scene.position("size 4");
    assert_eq!(chosen(&scene), Vec::<&String>::new());
    scene.replaces = true;
    scene.launch();
    scene.after(Duration::from_secs(1));
    scene.play();
    assert_eq!(chosen(&scene), ["choose a1"]);
}
