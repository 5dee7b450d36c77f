//! How many nodes may be out.

use mngup::{
    domain::*,
    engine::event::{Event, RunOutcome},
};

use crate::scene::{Scene, pod};

fn chosen(scene: &Scene) -> usize {
    scene.log.iter().filter(|line| line.starts_with("choose")).count()
}

fn limits(unavailable: u32, surge: u32) -> Policy {
    Policy {
        max_unavailable: Some(IntOrPercent::Int(unavailable)),
        max_surge: Some(IntOrPercent::Int(surge)),
        ..Policy::default()
    }
}

/// A pod on each old node that does not leave, so that chosen nodes stay in flight.
fn with_stuck_pods(mut scene: Scene) -> Scene {
    let names: Vec<_> = scene.snapshot.nodes().keys().cloned().collect();
    for name in names {
        let mut pod = pod(&format!("stuck-{name}"), name.as_str());
        pod.owner = None;
        scene.see(Change::Pod(Box::new(pod)));
    }
    scene
}

#[test]
fn no_more_nodes_are_chosen_than_may_be_out() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 6)], limits(2, 0)));
    scene.settle();
    assert_eq!(chosen(&scene), 2);
}

#[test]
fn a_node_that_is_down_already_uses_up_the_budget_and_goes_first() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 4)], limits(1, 0)));
    scene.change_node("a3", |node| node.ready = Readiness::Unknown);
    scene.settle();
    assert_eq!(chosen(&scene), 1);
    scene.position("choose a3");
}

#[test]
fn somebody_elses_cordon_uses_up_the_budget_too() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 4)], limits(1, 0)));
    scene.change_node("a2", |node| node.unschedulable = true);
    scene.settle();
    assert_eq!(chosen(&scene), 1);
    scene.position("choose a2");
}

#[test]
fn a_group_that_looks_dead_for_a_moment_is_not_drained_at_once() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 6)], limits(1, 0)));
    for name in ["a1", "a2", "a3", "a4", "a5", "a6"] {
        scene.change_node(name, |node| node.ready = Readiness::Unknown);
    }
    scene.settle();
    assert_eq!(chosen(&scene), 1);
}

#[test]
fn extra_nodes_that_are_ready_add_to_the_budget() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 6)], limits(1, 2)));
    scene.settle();
    assert_eq!(chosen(&scene), 3);
}

#[test]
fn one_extra_node_that_serves_is_enough_to_begin() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 6)], limits(1, 2)));
    scene.replaces = false;
    scene.settle();
    assert_eq!(chosen(&scene), 0);
    scene.launch();
    scene.read_group();
    scene.settle();
    assert_eq!(chosen(&scene), 2);
}

#[test]
fn with_nothing_allowed_out_the_extra_node_comes_first() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 3)], limits(0, 1)));
    scene.replaces = false;
    scene.settle();
    assert_eq!(chosen(&scene), 0);
    scene.launch();
    scene.read_group();
    scene.settle();
    assert_eq!(chosen(&scene), 1);
}

#[test]
fn a_percentage_rounds_down_to_at_least_one_and_a_surge_up() {
    let scene = Scene::new(&[("a", 6)], Policy::default());
    let resolve = |unavailable: &str, surge: &str| {
        let policy = Policy {
            max_unavailable: Some(unavailable.parse().unwrap()),
            max_surge: Some(surge.parse().unwrap()),
            ..Policy::default()
        };
        let limits = Limits::resolve(&policy, &scene.group, 6)?;
        Ok::<_, LimitsError>((limits.max_unavailable, limits.surge))
    };
    assert_eq!(resolve("10%", "10%"), Ok((1, 1)));
    assert_eq!(resolve("50%", "50%"), Ok((3, 3)));
    assert_eq!(resolve("0", "1"), Ok((0, 1)));
    assert_eq!(resolve("0", "0"), Err(LimitsError::NothingMayMove));
}

#[test]
fn strategy_minimal_asks_for_no_extra_node() {
    let mut scene = Scene::new(&[("a", 2)], Policy::default());
    let nodegroup = Nodegroup {
        name: "apps".into(),
        cluster: "prod".into(),
        status: NodegroupStatus::Active,
        issues: Vec::new(),
        max_unavailable: Some(IntOrPercent::Percent(50)),
        strategy: UpdateStrategy::Minimal,
        version: None,
        release: None,
        ami_type: None,
        capacity_type: None,
        role: None,
    };
    scene.change_group(|group| group.nodegroup = Some(nodegroup));
    let limits = Limits::resolve(&Policy::default(), &scene.group, 2).unwrap();
    assert_eq!((limits.surge, limits.surge_from), (0, Source::UpdateConfig));
    assert_eq!((limits.max_unavailable, limits.max_unavailable_from), (1, Source::UpdateConfig));
}

#[test]
fn an_extra_node_that_cannot_be_had_is_done_without() {
    let mut scene = Scene::new(&[("a", 2)], limits(1, 1));
    let no = mngup::engine::effect::Refusal::Failed { code: 400, message: "max size".to_owned() };
    scene.answers.insert("size".to_owned(), mngup::engine::effect::Outcome::Refused(no));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    assert!(
        scene.events.iter().any(|event| matches!(event, Event::SurgeUnavailable { why } if why.contains("max size")))
    );
    assert_eq!(scene.group.size.desired, 2);
}

#[test]
fn what_a_group_lost_meanwhile_counts_as_out() {
    let mut scene = with_stuck_pods(Scene::new(&[("a", 4)], limits(1, 0)));
    scene.settle();
    assert_eq!(chosen(&scene), 1);
    // A spot loss elsewhere: nobody else may go now, even when the first is given up.
    scene.replaces = false;
    let lost = scene.snapshot.nodes().keys().next_back().cloned().unwrap();
    scene.change_group(|group| {
        group.instances.remove(&InstanceId::new(format!("i-{lost}")));
    });
    scene.see(Change::NodeGone(lost));
    scene.settle();
    assert_eq!(chosen(&scene), 1);
}
