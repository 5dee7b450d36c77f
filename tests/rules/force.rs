//! `--force`: after the timeout what is left is deleted, and whatever outlives that is named before it goes down.

use std::time::Duration;

use mngup::{
    domain::*,
    engine::{
        effect::Outcome,
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
fn a_pod_that_does_not_stop_goes_down_by_name_after_its_grace_and_a_minute() {
    let mut scene = Scene::new(&[("a", 1)], forced());
    let stopping = Deletion { due: later(scene.now, Duration::from_secs(30)), grace_seconds: 30 };
    scene.see(Change::Pod(Box::new(Pod { deletion: Some(stopping), ..pod("stuck", "a1") })));
    scene.settle();
    scene.after(15 * MINUTE);
    scene.settle();
    scene.after(89 * Duration::from_secs(1));
    scene.settle();
    assert!(went_down(&scene).is_empty() && !scene.log.contains(&"terminate i-a1".to_owned()), "{:#?}", scene.log);
    scene.play();
    assert_eq!(went_down(&scene), ["stuck"]);
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
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
