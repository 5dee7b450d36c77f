//! Stopping in good order, and when nothing comes.

use std::time::Duration;

use mngup::{
    domain::*,
    engine::{
        Input,
        event::{Event, RunOutcome, Stuck},
        waiting::WaitingOn,
    },
};

use crate::scene::{Scene, pdb, pod};

fn no_surge() -> Policy {
    Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() }
}

#[test]
fn asked_to_stop_it_gives_back_what_drains_and_chooses_no_more() {
    let mut scene = Scene::new(&[("a", 3)], no_surge());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.decide(Input::Stop);
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Interrupted));
    scene.position("uncordon+untaint a1");
    assert!(!scene.log.contains(&"choose a2".to_owned()));
    assert!(scene.snapshot.nodes().values().all(|node| !node.unschedulable && node.marks.is_empty()));
    assert_eq!(scene.log.last().map(String::as_str), Some("save intent"), "resumable");
}

#[test]
fn a_pod_that_comes_to_a_node_that_is_given_back_did_not_land_past_its_cordon() {
    let held = || {
        let mut scene = Scene::new(&[("a", 3)], no_surge());
        scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
        scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
        scene.settle();
        scene.after(Duration::from_mins(1));
        scene
    };
    let comes = |scene: &mut Scene| {
        let made_now = Pod { created_at: scene.now, ..pod("web-9", "a1") };
        scene.see(Change::Pod(Box::new(made_now)));
    };
    let landed = |scene: &Scene| scene.events.iter().any(|event| matches!(event, Event::PodLandedBack { .. }));
    let mut cordoned = held();
    comes(&mut cordoned);
    cordoned.settle();
    assert!(landed(&cordoned));
    // Its pods are seen before it is seen to be uncordoned.
    let mut given_back = held();
    given_back.decide(Input::Stop);
    comes(&mut given_back);
    given_back.play();
    given_back.position("uncordon+untaint a1");
    assert!(!landed(&given_back), "{:#?}", given_back.events);
}

#[test]
fn asked_to_stop_it_waits_for_a_replacement_that_is_under_way() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.replaces = false;
    scene.settle();
    scene.after(Duration::from_secs(61));
    scene.settle();
    scene.position("terminate i-a1");
    scene.decide(Input::Stop);
    scene.settle();
    assert!(scene.run.ended().is_none());
    scene.launch();
    scene.read_group();
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Interrupted));
}

#[test]
fn a_replacement_that_does_not_come_stops_the_run_with_auto_scalings_own_words() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.replaces = false;
    scene.settle();
    scene.after(Duration::from_secs(61));
    scene.settle();
    scene.after(Duration::from_secs(30));
    let words = "Could not launch On-Demand Instances. InsufficientInstanceCapacity";
    let failed = ScalingActivity {
        id: "1".to_owned(),
        started_at: scene.now,
        status: "Failed".to_owned(),
        description: "Launching a new EC2 instance.  Status Reason: …".to_owned(),
        message: Some(words.to_owned()),
        ..ScalingActivity::default()
    };
    scene.change_group(|group| group.activities = vec![failed]);
    scene.settle();
    scene.after(Duration::from_secs(15 * 60));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::ReplacementFailed));
    let said = scene.events.iter().find_map(|event| match event {
        Event::NodeStuck { why: Stuck::NodeCreation { on: WaitingOn::Launch { failure }, .. }, .. } => failure.clone(),
        _ => None,
    });
    assert_eq!(said.as_deref(), Some(words));
    assert!(!scene.log.contains(&"choose a2".to_owned()));
}

#[test]
fn a_replacement_counts_only_when_it_serves() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    let daemon = DaemonSet {
        id: DaemonSetRef { namespace: "kube-system".to_owned(), name: "cni".to_owned() },
        node_selectors: Vec::new(),
        tolerations: Vec::new(),
    };
    scene.see(Change::DaemonSet(Box::new(daemon)));
    scene.change_node("a1", |node| {
        node.extended.insert("nvidia.com/gpu".to_owned(), 4);
    });
    scene.settle();
    scene.after(Duration::from_secs(61));
    scene.settle();
    scene.position("terminate i-a1");
    assert!(!scene.log.contains(&"choose a2".to_owned()));
    let cni =
        Pod { owner: Some(Owner { kind: "DaemonSet".to_owned(), name: "cni".to_owned() }), ..pod("cni-1", "new1") };
    let cni = Pod { id: PodRef { namespace: "kube-system".to_owned(), ..cni.id.clone() }, ..cni };
    scene.see(Change::Pod(Box::new(cni)));
    scene.settle();
    assert!(!scene.log.contains(&"choose a2".to_owned()), "the GPU is missing");
    scene.change_node("new1", |node| {
        node.extended.insert("nvidia.com/gpu".to_owned(), 4);
    });
    scene.settle();
    scene.position("choose a2");
}

#[test]
fn a_spot_loss_in_the_middle_of_a_drain_is_taken_as_it_is() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.change_group(|group| {
        group.instances.remove(&"i-a1".into());
    });
    scene.see(Change::NodeGone("a1".into()));
    scene.see(Change::PodGone("web-1".into()));
    scene.launch();
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
    assert!(!scene.log.iter().any(|line| line == "terminate i-a1"));
    assert!(scene.events.iter().any(|event| matches!(event, Event::InstanceLeft { ours: false, .. })));
}
