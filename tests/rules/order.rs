//! What comes before what.

use std::{collections::BTreeSet, time::Duration};

use mngup::{
    domain::*,
    engine::{
        Goal, Input,
        event::{Event, RunOutcome},
    },
};

use crate::scene::{MINUTE, Scene, chosen, instance, no_surge, pod, resume, template};

#[test]
fn a_node_is_cordoned_then_drained_then_left_alone_then_terminated() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.play();
    assert_eq!(
        scene.log,
        [
            "save intent",
            "suspend AZRebalance",
            "taint a1",
            "choose a1",
            "cordon+exclude a1",
            "evict web-1",
            "mark a1",
            "terminate i-a1",
            "resume AZRebalance",
            "forget intent",
        ]
    );
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
}

#[test]
fn new_nodes_are_shielded_from_the_cluster_autoscaler_while_we_roll() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.play();
    assert!(scene.position("shield new1") < scene.position("terminate i-a2"));
    assert!(scene.snapshot.nodes().values().all(|node| !node.shielded && node.marks.is_empty()));
}

#[test]
fn a_shield_that_somebody_else_put_up_stays() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.settle();
    scene.after(std::time::Duration::from_secs(61));
    scene.replaces = false;
    scene.settle();
    scene.launch();
    scene.change_node("new1", |node| node.shielded = true);
    scene.read_group();
    scene.replaces = true;
    scene.play();
    assert!(scene.snapshot.node(&"new1".into()).unwrap().shielded);
}

#[test]
fn one_node_is_done_before_the_next_is_chosen() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.play();
    assert!(scene.position("terminate i-a1") < scene.position("choose a2"));
}

#[test]
fn sixty_seconds_pass_between_drained_and_terminated() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.settle();
    let drained = scene.now;
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate")));
    scene.after(std::time::Duration::from_secs(59));
    scene.settle();
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate")));
    scene.after(std::time::Duration::from_secs(2));
    scene.settle();
    scene.position("terminate i-a1");
    assert!(elapsed(drained, scene.now) >= std::time::Duration::from_secs(60));
}

#[test]
fn volumes_are_waited_for_but_not_for_ever() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.change_node("a1", |node| node.volumes = vec!["vol-1".to_owned()]);
    scene.settle();
    scene.after(std::time::Duration::from_mins(2));
    scene.settle();
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate")));
    scene.after(std::time::Duration::from_mins(5));
    scene.settle();
    scene.position("terminate i-a1");
    assert!(scene.events.iter().any(|e| matches!(e, Event::Warning { message } if message.contains("vol-1"))));
}

#[test]
fn with_a_surge_the_last_terminations_shrink_the_group_and_no_new_node_goes_again() {
    let mut scene = Scene::new(
        &[("a", 2), ("b", 2), ("c", 2)],
        Policy { max_surge: Some(IntOrPercent::Int(2)), ..Policy::default() },
    );
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    assert_eq!(scene.log.iter().filter(|line| line.starts_with("terminate")).count(), 4);
    assert_eq!(scene.log.iter().filter(|line| line.starts_with("shrink by")).count(), 2);
    assert!(!scene.log.iter().any(|line| line.contains("i-new")), "{:#?}", scene.log);
    assert_eq!(scene.group.size.desired, 6);
    let mut zones = std::collections::BTreeMap::<_, u32>::new();
    for instance in scene.group.instances.values() {
        *zones.entry(instance.zone.clone()).or_default() += 1;
    }
    assert!(zones.values().all(|count| *count == 2), "{zones:?}");
}

#[test]
fn the_first_node_waits_for_the_first_extra_one_so_that_its_pods_move_once() {
    let mut scene = waiting_for_the_extra_node();
    scene.replaces = true;
    scene.launch();
    scene.play();
    scene.position("choose a1");
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
}

#[test]
fn where_no_extra_node_is_to_be_had_the_first_one_does_not_wait() {
    let mut scene = waiting_for_the_extra_node();
    let failed = ScalingActivity {
        id: "1".to_owned(),
        started_at: scene.now,
        status: "Failed".to_owned(),
        description: "Launching a new EC2 instance.  Status Reason: …".to_owned(),
        message: Some("InsufficientInstanceCapacity".to_owned()),
        ..ScalingActivity::default()
    };
    scene.change_group(|group| group.activities = vec![failed]);
    scene.settle();
    assert!(scene.log.iter().any(|line| line.starts_with("choose")), "{:#?}", scene.log);
}

fn waiting_for_the_extra_node() -> Scene {
    let policy = Policy { max_surge: Some(IntOrPercent::Int(1)), ..Policy::default() };
    let mut scene = Scene::new(&[("a", 3)], policy);
    scene.replaces = false;
    scene.settle();
    scene.after(Duration::from_mins(1));
    scene.settle();
    scene.position("size 4");
    assert!(!scene.log.iter().any(|line| line.starts_with("choose")), "{:#?}", scene.log);
    scene
}

#[test]
fn a_single_old_node_asks_for_no_more_extra_nodes_than_itself() {
    let mut scene =
        Scene::new(&[("a", 3)], Policy { max_surge: Some(IntOrPercent::Percent(100)), ..Policy::default() });
    scene.change_group(|group| {
        for id in ["i-a2", "i-a3"] {
            group.instances.insert(id.into(), instance(&id[2..], "a", 2));
        }
    });
    scene.play();
    scene.position("size 4");
    scene.position("shrink by i-a1");
}

#[test]
fn the_maximum_is_raised_where_it_must_be_and_lowered_again() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    scene.change_group(|group| group.size.max = 3);
    scene.begin_again();
    scene.play();
    scene.position("size 4 max 4");
    scene.position("max 3");
    assert_eq!(scene.group.size.max, 3);
}

#[test]
fn instances_that_never_became_nodes_go_first_and_need_no_drain() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.change_group(|group| {
        group.instances.insert("i-zz".into(), Instance { no_node: true, ..instance("zz", "a", 1) });
        group.size.desired = 3;
    });
    scene.begin_again();
    scene.play();
    assert_eq!(scene.log.iter().find(|line| line.starts_with("choose")).unwrap(), "choose i-zz");
    assert!(scene.position("terminate i-zz") < scene.position("terminate i-a1"));
    assert!(!scene.log.iter().any(|line| line.starts_with("cordon") && line.ends_with("zz")));
}

#[test]
fn an_instance_that_nobody_looked_for_is_not_taken_for_one_without_a_node() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.change_group(|group| {
        group.instances.insert("i-zz".into(), Instance { no_node: false, ..instance("zz", "a", 1) });
        group.size.desired = 2;
    });
    scene.settle();
    assert!(!scene.log.iter().any(|line| line.contains("terminate i-zz")), "{:#?}", scene.log);
}

#[test]
fn the_next_node_comes_from_the_zone_with_the_most_old_nodes() {
    let mut scene = Scene::new(&[("a", 1), ("b", 3), ("c", 2)], no_surge());
    scene.play();
    let zones: Vec<_> =
        scene.log.iter().filter_map(|line| line.strip_prefix("choose ")).map(|name| name[..1].to_owned()).collect();
    assert_eq!(zones, ["b", "b", "c", "a", "b", "c"]);
}

#[test]
fn the_last_ready_node_of_a_zone_with_volumes_waits_for_a_new_one_there() {
    let mut scene = Scene::new(&[("a", 1), ("b", 1)], Policy::default());
    scene.see(Change::ZonalVolumes(["a", "b"].map(Zone::from).into()));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    // One extra node serves one zone; the other zone needs another before its only node goes.
    scene.position("size 3");
    assert!(scene.log.iter().any(|line| line == "size 4" || line == "choose b1"), "{:#?}", scene.log);
    for zone in ["a", "b"] {
        let left = scene.group.instances.values().filter(|instance| instance.zone == zone.into()).count();
        assert_eq!(left, 1, "zone {zone}");
    }
}

/// By the laptop's clock the run began three minutes after its own replacements came.
#[test]
fn nodes_that_came_in_this_run_are_new_whatever_the_clocks_say() {
    let mut scene = Scene::new(&[("a", 2)], Policy { all_nodes: true, ..no_surge() });
    scene.change_group(|group| group.target.template = Some(template(1)));
    scene.version = 1;
    let began = later(scene.now, 3 * MINUTE);
    resume(&mut scene, Goal::Upgrade, |intent| intent.started_at = began);
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    assert_eq!(chosen(&scene).len(), 2, "{:#?}", scene.log);
}

/// The plan looked at the pods of all of them.
#[test]
fn pods_of_nodes_whose_turn_is_to_come_stay_watched_where_they_are() {
    let mut scene = Scene::new(&[("a", 3)], no_surge());
    scene.see(Change::PodsUnwatched("a3".into()));
    scene.settle();
    let watched = scene.decide(Input::Tick).watch.pods_on;
    assert_eq!(watched, BTreeSet::from(["a1".into(), "a2".into()]));
}
