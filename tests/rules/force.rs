//! `--force`: after the timeout what is left is deleted, and whatever outlives that is named before it goes down.

use std::time::Duration;

use mngup::{
    domain::*,
    engine::{
        effect::{Outcome, Refusal},
        event::{Event, RunOutcome},
    },
};

use crate::scene::*;

fn forced() -> Policy {
    Policy { force: true, ..no_surge() }
}

/// A pod that no cordon keeps away comes to the node now.
fn comes(scene: &mut Scene, name: &str) {
    let everything = Toleration { key: None, operator: TolerationOperator::Exists, value: String::new(), effect: None };
    let agent = Pod { tolerations: vec![everything], created_at: scene.now, ..pod(name, "a1") };
    scene.see(Change::Pod(Box::new(agent)));
}

fn went_down(scene: &Scene) -> Vec<&str> {
    let lost = scene.events.iter().filter_map(|event| match event {
        Event::PodGoesDown { pod, .. } => Some(pod.name.as_str()),
        _ => None,
    });
    lost.collect()
}

#[test]
fn what_is_left_is_deleted_and_named() {
    let mut scene = Scene::new(&[("a", 1)], forced());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    assert!(!scene.log.iter().any(|line| line.starts_with("evict")));
    assert!(scene.position("delete web-1") < scene.position("terminate i-a1"));
    assert!(scene.events.iter().any(|event| matches!(event, Event::PodDeleted { pod, .. } if pod.name == "web-1")));
    assert_eq!(went_down(&scene), [""; 0]);
}

#[test]
fn a_pod_that_keeps_coming_back_holds_the_node_until_the_timeout_is_deleted_once_and_then_goes_down_by_name() {
    let mut scene = Scene::new(&[("a", 1)], forced());
    scene.settle();
    for round in 1..=3 {
        scene.after(Duration::from_secs(1));
        comes(&mut scene, &format!("agent-{round}"));
        scene.settle();
    }
    scene.after(14 * MINUTE);
    scene.settle();
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate") || line.starts_with("delete")), "too early");
    scene.after(MINUTE);
    // Accepted; it stops for a second yet.
    scene.answers.insert("delete agent-3".to_owned(), Outcome::Done);
    scene.settle();
    scene.position("delete agent-3");
    // Another comes as soon as it is gone, and would for ever.
    scene.after(Duration::from_secs(1));
    scene.see(Change::PodGone("agent-3".into()));
    comes(&mut scene, "agent-4");
    scene.play();
    assert_eq!(went_down(&scene), ["agent-4"]);
    assert!(!scene.log.contains(&"delete agent-4".to_owned()));
    scene.position("terminate i-a1");
}

#[test]
fn a_pod_that_does_not_stop_goes_down_by_name_after_the_timeout() {
    let mut scene = Scene::new(&[("a", 1)], forced());
    let stopping = Deletion { due: later(scene.now, Duration::from_secs(30)), grace_seconds: 30 };
    scene.see(Change::Pod(Box::new(Pod { deletion: Some(stopping), ..pod("stuck", "a1") })));
    scene.settle();
    scene.after(14 * MINUTE);
    scene.settle();
    assert!(went_down(&scene).is_empty() && !scene.log.contains(&"terminate i-a1".to_owned()), "{:#?}", scene.log);
    scene.play();
    assert_eq!(went_down(&scene), ["stuck"]);
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
}

/// Every fifty seconds one comes for ten, as a CronJob's: the node is never empty for long enough.
#[test]
fn pods_that_come_and_go_hold_a_node_no_longer_than_twice_the_timeout() {
    for (force, outcome) in [(false, RunOutcome::EvictionFailed), (true, RunOutcome::Done)] {
        let mut scene = Scene::new(&[("a", 1)], Policy { force, ..no_surge() });
        scene.settle();
        for round in 0..40 {
            let name = format!("tick-{round}");
            scene.after(Duration::from_secs(50));
            comes(&mut scene, &name);
            scene.settle();
            scene.after(Duration::from_secs(10));
            scene.see(Change::PodGone(name.as_str().into()));
            scene.settle();
            if scene.run.ended().is_some() {
                break;
            }
        }
        scene.play();
        assert_eq!(scene.run.ended(), Some(&outcome), "{:#?}", scene.log);
    }
}

/// Forced and drained; then somebody uncordons the node, and pods come that nobody has asked anything.
#[test]
fn who_came_after_the_deletions_is_deleted_too_and_does_not_go_down_unasked() {
    let mut scene = Scene::new(&[("a", 1)], Policy { post_drain_delay: 5 * MINUTE, ..forced() });
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.settle();
    scene.after(15 * MINUTE);
    scene.settle();
    scene.position("delete web-1");
    scene.after(4 * MINUTE);
    scene.settle();
    let late = Pod { created_at: scene.now, ..pod("web-2", "a1") };
    scene.see(Change::Pod(Box::new(late)));
    scene.play();
    scene.position("delete web-2");
    assert_eq!(went_down(&scene), [""; 0]);
}

#[test]
fn the_grace_that_was_ordered_is_the_grace_that_is_waited_for() {
    let mut scene = Scene::new(&[("a", 1)], Policy { grace_period: Some(600), ..forced() });
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.answers.insert("delete".to_owned(), Outcome::Done);
    scene.settle();
    scene.after(15 * MINUTE);
    scene.settle();
    let stopping = Deletion { due: later(scene.now, 10 * MINUTE), grace_seconds: 600 };
    scene.see(Change::Pod(Box::new(Pod { deletion: Some(stopping), ..pod("web-1", "a1") })));
    // A minute beyond it is its kubelet's.
    scene.after(10 * MINUTE + Duration::from_secs(50));
    scene.settle();
    assert!(!scene.events.iter().any(|event| matches!(event, Event::NodeDrained { .. })), "it may stop still");
    scene.play();
    assert_eq!(went_down(&scene), ["web-1"]);
}

#[test]
fn a_deletion_that_is_refused_for_ever_ends() {
    let mut scene = Scene::new(&[("a", 1)], forced());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    let message = "denied".to_owned();
    scene.answers.insert("delete".to_owned(), Outcome::Refused(Refusal::Webhook { message }));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::EvictionFailed));
}

/// The node cannot be emptied in any case: nobody else is sent away past a budget for it.
#[test]
fn beside_a_pod_that_must_stay_nobody_is_deleted() {
    let mut scene = Scene::new(&[("a", 1)], forced());
    scene.see(Change::Pod(Box::new(Pod { owner: None, labels: Default::default(), ..pod("shell", "a1") })));
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::EvictionFailed));
    assert!(!scene.log.iter().any(|line| line.starts_with("delete")), "{:#?}", scene.log);
}

/// EKS's force speaks over budgets; whom no controller brings back is another consent.
#[test]
fn what_no_controller_brings_back_is_not_deleted() {
    let mut scene = Scene::new(&[("a", 2)], forced());
    scene.see(Change::Pod(Box::new(Pod { owner: None, ..pod("shell", "a1") })));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::EvictionFailed));
    assert!(!scene.log.contains(&"delete shell".to_owned()), "{:#?}", scene.log);
}
