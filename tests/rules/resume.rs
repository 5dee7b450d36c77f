//! Going on from what the cluster remembers.

use std::time::Duration;

use mngup::{
    domain::*,
    engine::{
        Goal, Rollout,
        effect::Outcome,
        event::{Event, RunOutcome},
    },
};

use crate::scene::{Scene, pdb, pod};

/// The process dies; another begins with an empty head.
fn crash(scene: &mut Scene, goal: Goal) {
    let intent = scene.run.intent().clone();
    scene.run = Rollout::resume(intent.clone(), intent, goal, &scene.snapshot, scene.now);
}

#[test]
fn a_run_goes_on_from_the_marks_on_its_nodes() {
    let mut scene = Scene::new(&[("a", 3)], Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() });
    scene.settle();
    crash(&mut scene, Goal::Upgrade);
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    for id in ["i-a1", "i-a2", "i-a3"] {
        assert_eq!(scene.log.iter().filter(|line| line.ends_with(id)).count(), 1, "{id} in {:#?}", scene.log);
    }
    assert_eq!(scene.log.iter().filter(|line| *line == "cordon+exclude a1").count(), 1);
}

#[test]
fn a_termination_whose_answer_was_lost_is_settled_by_looking() {
    let mut scene = Scene::new(&[("a", 1)], Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() });
    scene.answers.insert("terminate".to_owned(), Outcome::Unknown("timed out".to_owned()));
    scene.settle();
    scene.after(Duration::from_secs(61));
    scene.settle();
    assert_eq!(scene.log.iter().filter(|line| line.starts_with("terminate")).count(), 1);
    assert!(scene.events.iter().any(|event| matches!(event, Event::TerminateUnknown { .. })));
    // A reading that is younger shows the instance still there: it had not been heard.
    scene.answers.clear();
    scene.after(Duration::from_secs(11));
    scene.settle();
    assert_eq!(scene.log.iter().filter(|line| line.starts_with("terminate")).count(), 2);
}

#[test]
fn a_termination_that_was_heard_though_its_answer_was_lost_is_not_sent_again() {
    let mut scene = Scene::new(&[("a", 1)], Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() });
    scene.answers.insert("terminate".to_owned(), Outcome::Unknown("timed out".to_owned()));
    scene.settle();
    scene.after(Duration::from_secs(61));
    scene.settle();
    scene.change_group(|group| {
        let instance = group.instances.get_mut(&"i-a1".into()).unwrap();
        instance.lifecycle = Lifecycle::Terminating("Terminating:Wait".to_owned());
    });
    scene.launch();
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    assert_eq!(scene.log.iter().filter(|line| line.starts_with("terminate")).count(), 1);
}

#[test]
fn a_crash_between_mark_and_call_waits_for_a_fresh_reading() {
    let mut scene = Scene::new(&[("a", 1)], Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() });
    scene.settle();
    let at = scene.now;
    scene.change_node("a1", |node| {
        let (key, value) = NodeMark::Terminating(at, false).annotation();
        node.marks.0.insert(key.to_owned(), value);
    });
    crash(&mut scene, Goal::Upgrade);
    scene.settle();
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate")));
    scene.after(Duration::from_secs(11));
    scene.settle();
    scene.position("terminate i-a1");
}

#[test]
fn abort_takes_off_what_the_run_put_on_and_only_that() {
    let mut scene = Scene::new(&[("a", 3)], Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() });
    scene.change_node("a1", |node| node.unschedulable = true);
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.settle();
    scene.position("choose a1");
    crash(&mut scene, Goal::Abort);
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Aborted));
    let node = scene.snapshot.node(&"a1".into()).unwrap();
    assert!(node.unschedulable, "the cordon was somebody else's");
    assert!(scene.snapshot.nodes().values().all(|node| node.marks.is_empty() && node.taints.is_empty()));
    assert!(scene.group.suspended.is_empty());
    scene.position("forget intent");
}

#[test]
fn abort_gives_the_group_its_size_back_by_a_drain_not_by_scaling_in() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.settle();
    assert_eq!(scene.group.size.desired, 4);
    crash(&mut scene, Goal::Abort);
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Aborted));
    assert_eq!(scene.group.size.desired, 3, "{:#?}", scene.log);
    assert_eq!(scene.log.iter().filter(|line| line.starts_with("shrink by")).count(), 1);
    assert!(!scene.log.iter().any(|line| line == "size 3"));
}

/// Seen on a real API server: killed right after the group had shrunk, with the last old node in flight, the next run
/// grew the group again for that one, replaced it, and shrank by a new node.
#[test]
fn no_extra_node_is_asked_for_when_all_that_is_old_is_in_flight() {
    let mut scene = Scene::new(&[("a", 2)], Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a2"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.after(Duration::from_secs(61));
    scene.settle();
    scene.position("shrink by i-a1");
    crash(&mut scene, Goal::Upgrade);
    scene.settle();
    scene.see(Change::Pdb(Box::new(pdb("web", 1, 2, 3))));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    let sizes: Vec<_> =
        scene.log.iter().filter(|line| line.starts_with("size") || line.starts_with("shrink")).collect();
    assert_eq!(sizes, ["size 3", "shrink by i-a1"], "{:#?}", scene.log);
}
