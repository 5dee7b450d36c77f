//! Runs and aborts that must end, and must end with what is theirs.

use crate::scene::{MINUTE, Scene, failed, instance, no_surge, node, pdb, pod, resume, template};
use mngup::{
    domain::*,
    engine::{
        Goal, Input,
        effect::{Outcome, Refusal},
        event::{Event, RunOutcome},
    },
};
use std::time::Duration;

fn tail(scene: &Scene) -> Vec<String> {
    scene.log.iter().rev().take(12).rev().cloned().collect()
}
fn blocked(scene: &mut Scene, names: &[&str]) {
    for name in names {
        scene.see(Change::Pod(Box::new(pod(&format!("web-{name}"), name))));
    }
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
}

#[test]
fn pending_ready_old_node_under_budget_settles() {
    let mut scene = Scene::new(&[("a", 4)], no_surge());
    scene.change_group(|group| {
        group.instances.get_mut(&"i-a1".into()).unwrap().lifecycle = Lifecycle::Pending("Pending:Wait".to_owned());
        for id in ["i-a2", "i-a3"] {
            group.instances.get_mut(&id.into()).unwrap().template = Some(template(2));
        }
    });
    for name in ["a2", "a3"] {
        scene.change_node(name, |n| n.ready = Readiness::NotReady("x".to_owned()));
    }
    scene.begin_again();
    scene.settle();
}

#[test]
fn refused_surge_claims_nothing_during_run() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    scene.answers.insert("size".to_owned(), failed(400, "ValidationError: above max"));
    scene.settle();
    assert!(scene.events.iter().any(|e| matches!(e, Event::SurgeUnavailable { .. })));
    scene.change_group(|group| group.size.desired = 4);
    scene.launch();
    scene.read_group();
    scene.play();
    assert_eq!((scene.group.size.desired, scene.run.intent().surge), (4, 0), "{:#?}", tail(&scene));
}

#[test]
fn abort_after_refused_surge_takes_nothing_of_others() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    blocked(&mut scene, &["a1", "a2", "a3"]);
    scene.answers.insert("size".to_owned(), failed(400, "ValidationError: above max"));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::EvictionFailed));
    scene.see(Change::PdbGone(PdbRef { namespace: "shop".to_owned(), name: "web".to_owned() }));
    scene.change_group(|group| group.size.desired = 4);
    scene.launch();
    scene.after(60 * MINUTE);
    resume(&mut scene, Goal::Abort, |_| ());
    scene.play();
    assert_eq!(scene.group.size.desired, 4, "{:#?}", tail(&scene));
}

#[test]
fn crash_between_intent_and_call_does_not_double_the_claim() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    scene.answers.insert("size".to_owned(), Outcome::Unknown("timed out".to_owned()));
    scene.settle();
    assert_eq!((scene.run.intent().surge, scene.group.size.desired), (1, 3));
    resume(&mut scene, Goal::Upgrade, |_| ());
    scene.answers.clear();
    scene.settle();
    assert_eq!((scene.run.intent().surge, scene.group.size.desired), (1, 4));
}

#[test]
fn resumed_decrement_does_not_shrink_below_the_size() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    blocked(&mut scene, &["a1"]);
    scene.settle();
    let at = scene.now;
    scene.change_node("a1", |node| {
        let (key, value) = NodeMark::Terminating(at, true).annotation();
        node.marks.0.insert(key.to_owned(), value);
    });
    scene.see(Change::PodGone("web-a1".into()));
    // Overnight somebody set the desired size back, and the extra node went.
    scene.change_group(|group| {
        group.size.desired = 3;
        group.instances.remove(&"i-new1".into());
    });
    scene.see(Change::NodeGone("new1".into()));
    resume(&mut scene, Goal::Upgrade, |_| ());
    scene.see(Change::PdbGone(PdbRef { namespace: "shop".to_owned(), name: "web".to_owned() }));
    scene.play();
    let shrunk: Vec<_> = scene.log.iter().filter(|l| l.starts_with("shrink")).collect();
    assert_eq!((scene.group.size.desired, scene.group.instances.len()), (3, 3), "{shrunk:?} {:#?}", scene.log);
}

#[test]
fn a_pinned_pod_that_comes_back_after_a_moment_ends_the_drain() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.see(Change::Pod(Box::new(pod("db-0", "a1"))));
    scene.settle();
    for round in 1..600 {
        if scene.events.iter().any(|e| matches!(e, Event::NodeStuck { .. })) || scene.run.ended().is_some() {
            return;
        }
        scene.after(Duration::from_secs(20));
        let mut again = pod(&format!("db-0-{round}"), "a1");
        again.created_at = scene.now;
        scene.see(Change::Pod(Box::new(again)));
        scene.settle();
    }
    let evictions = scene.log.iter().filter(|l| l.starts_with("evict")).count();
    panic!("after {} evictions and 3h20 still going: {:#?}", evictions, tail(&scene));
}

#[test]
fn a_mark_that_is_refused_for_ever_ends() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.answers.insert("mark a1".to_owned(), Outcome::Refused(Refusal::Webhook { message: "denied".to_owned() }));
    scene.play();
}
#[test]
fn a_termination_that_is_refused_for_ever_ends() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.answers.insert("terminate i-a1".to_owned(), failed(400, "ValidationError: no"));
    scene.play();
}
#[test]
fn an_intent_that_is_refused_for_ever_ends() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    scene.answers.insert("save intent".to_owned(), Outcome::Refused(Refusal::Webhook { message: "denied".to_owned() }));
    scene.play();
}
#[test]
fn a_recordon_that_is_refused_for_ever_ends() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    blocked(&mut scene, &["a1"]);
    scene.settle();
    scene.after(MINUTE);
    scene.change_node("a1", |n| n.unschedulable = false);
    scene.answers.insert("cordon a1".to_owned(), Outcome::Refused(Refusal::Webhook { message: "denied".to_owned() }));
    scene.play();
}

#[test]
fn abort_does_not_try_every_node_of_the_group() {
    let mut scene = Scene::new(&[("a", 10)], Policy::default());
    let names: Vec<String> = (1..=10).map(|n| format!("a{n}")).collect();
    blocked(&mut scene, &names.iter().map(String::as_str).collect::<Vec<_>>());
    scene.settle();
    scene.see(Change::Pod(Box::new(pod("web-new", "new1"))));
    let before = scene.now;
    resume(&mut scene, Goal::Abort, |_| ());
    scene.play();
    let chosen = scene.log.iter().filter(|l| l.starts_with("choose ")).count();
    // Two by the run before, three by the abort.
    assert_eq!(chosen, 5, "chosen; the abort took {:?}", elapsed(before, scene.now));
    // Nor does it call that undone, or forget it.
    let what = vec!["the desired size of 11, which would be 10".to_owned()];
    assert_eq!(scene.run.ended(), Some(&RunOutcome::NotTakenBack { what }));
    assert!(!scene.log.contains(&"forget intent".to_owned()), "{:#?}", tail(&scene));
}

#[test]
fn ctrl_c_after_an_eviction_failure_gives_back_what_drains() {
    let policy = Policy { max_unavailable: Some(IntOrPercent::Int(2)), node_interval: 5 * MINUTE, ..no_surge() };
    let mut scene = Scene::new(&[("a", 4)], policy);
    blocked(&mut scene, &["a1", "a2", "a3", "a4"]);
    scene.settle();
    for _ in 0..16 {
        scene.after(MINUTE);
        scene.settle();
    }
    assert!(scene.events.iter().any(|e| matches!(e, Event::NodeStuck { .. })), "{:#?}", tail(&scene));
    assert_eq!(scene.run.flights().len(), 1, "{:?}", scene.run.flights());
    scene.decide(Input::Stop);
    scene.settle();
    assert!(scene.run.flights().is_empty(), "still: {:?}", scene.run.flights());
}

#[test]
fn a_configmap_that_cannot_be_deleted_is_no_done() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.answers.insert("forget intent".to_owned(), failed(500, "etcd"));
    scene.play();
    let what = vec!["the run's ConfigMap".to_owned()];
    assert_eq!(scene.run.ended(), Some(&RunOutcome::NotTakenBack { what }));
}

#[test]
fn busy_when_all_is_done() {
    let mut scene = Scene::new(&[("a", 1)], no_surge());
    scene.settle();
    scene.change_group(|group| _ = group.suspended.insert(Process::Launch));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done), "{:#?}", tail(&scene));
}

#[test]
fn quarantine_and_node_object_gone_is_not_done() {
    let policy = Policy { undrainable: Undrainable::Quarantine, max_quarantined: 5, ..no_surge() };
    let mut scene = Scene::new(&[("a", 2)], policy);
    blocked(&mut scene, &["a1"]);
    scene.settle();
    scene.answers.insert("quarantine a1".to_owned(), failed(500, "etcd"));
    for _ in 0..16 {
        scene.after(MINUTE);
        scene.settle();
    }
    scene.see(Change::NodeGone("a1".into()));
    scene.change_group(|g| g.instances.get_mut(&"i-a1".into()).unwrap().no_node = true);
    scene.play();
    let left: Vec<_> = scene
        .events
        .iter()
        .filter_map(|e| match e {
            Event::RunEnded { outcome, left, .. } => Some((outcome.clone(), *left)),
            _ => None,
        })
        .collect();
    assert_ne!(left, vec![(RunOutcome::Done, 1)]);
}

#[test]
fn crash_while_shedding_a_new_node() {
    let mut scene = Scene::new(&[("a", 2)], Policy::default());
    scene.settle();
    // every old node is lost to spot; the group replaces them, so only new ones are left to shrink by
    for id in ["a1", "a2"] {
        scene.change_group(|g| drop(g.instances.remove(&format!("i-{id}").as_str().into())));
        scene.see(Change::NodeGone(id.into()));
        scene.launch();
        scene.read_group();
        scene.settle();
    }
    for _ in 0..3 {
        scene.after(Duration::from_secs(5));
        scene.settle();
    }
    let chosen = scene.log.iter().filter(|l| l.starts_with("choose new")).count();
    assert_eq!(chosen, 1, "{:#?}", scene.log);
    resume(&mut scene, Goal::Upgrade, |_| ());
    scene.play();
    let ended =
        scene.log.iter().filter(|l| l.starts_with("terminate i-new") || l.starts_with("shrink by i-new")).count();
    assert_eq!(ended, 1, "{:#?}", scene.log);
    let _ = (instance("x", "a", 1), node("x", "a"));
}

#[test]
fn aborted_run_with_standby_untouched_by_us() {
    let mut scene = Scene::new(&[("a", 3)], Policy { only: ["a1".into()].into(), ..Policy::default() });
    blocked(&mut scene, &["a1"]);
    scene.settle();
    scene.change_group(|group| {
        group.instances.get_mut(&"i-a3".into()).unwrap().lifecycle = Lifecycle::Apart("Standby".to_owned());
    });
    scene.launch();
    scene.read_group();
    resume(&mut scene, Goal::Abort, |_| ());
    scene.play();
    assert!(!scene.log.iter().any(|l| l == "choose a3"), "{:#?}", scene.log);
}

#[test]
fn a_node_that_lost_its_label_in_flight_does_not_hold_the_run_for_ever() {
    let mut scene = Scene::new(&[("a", 2)], no_surge());
    blocked(&mut scene, &["a1"]);
    scene.settle();
    scene.see(Change::NodeGone("a1".into()));
    scene.play();
}

#[test]
fn default_rolling_with_standby_and_spot_loss_sheds_the_standby() {
    let mut scene = Scene::new(&[("a", 3)], Policy::default());
    // a debugging node set aside by an operator before the run (EnterStandby, decremented)
    scene.change_group(|group| {
        group.instances.get_mut(&"i-a3".into()).unwrap().lifecycle = Lifecycle::Apart("Standby".to_owned());
        group.size.desired = 2;
    });
    scene.begin_again();
    scene.settle();
    for id in ["a1", "a2"] {
        scene.change_group(|g| drop(g.instances.remove(&format!("i-{id}").as_str().into())));
        scene.see(Change::NodeGone(id.into()));
        scene.launch();
        scene.read_group();
        scene.settle();
    }
    scene.play();
    assert!(!scene.log.iter().any(|l| l == "choose a3"), "{:#?}", scene.log);
}

#[test]
fn resumed_decrement_without_a_surge_shrinks_below_the_size() {
    let mut scene = Scene::new(&[("a", 3)], Policy { only: ["a1".into()].into(), ..Policy::default() });
    scene.settle();
    for _ in 0..11 {
        scene.after(Duration::from_secs(5));
        scene.settle();
    }
    scene.answers.insert("shrink by".to_owned(), Outcome::Refused(Refusal::Throttled { after: None }));
    for _ in 0..3 {
        scene.after(Duration::from_secs(5));
        scene.settle();
    }
    scene.position("shrink by i-a1");
    scene.answers.clear();
    scene.answers.insert("size".to_owned(), failed(400, "above max"));
    scene.change_group(|group| {
        group.size.desired = 3;
        group.instances.remove(&"i-new1".into());
    });
    scene.see(Change::NodeGone("new1".into()));
    resume(&mut scene, Goal::Upgrade, |_| ());
    scene.play();
    assert_eq!((scene.group.size.desired, scene.group.instances.len()), (3, 3), "{:#?}", scene.log);
}
#[test]
fn a_decrement_decided_before_others_shrank_the_group() {
    let mut scene = Scene::new(&[("a", 3)], Policy { only: ["a1".into()].into(), ..Policy::default() });
    scene.settle();
    scene.answers.insert("shrink by".to_owned(), Outcome::Refused(Refusal::Throttled { after: None }));
    for _ in 0..14 {
        scene.after(Duration::from_secs(5));
        scene.settle();
    }
    scene.position("shrink by i-a1");
    scene.answers.clear();
    // the cluster autoscaler (or a person) takes one away while the call is throttled
    scene.change_group(|group| {
        group.size.desired = 3;
        group.instances.remove(&"i-a2".into());
    });
    scene.see(Change::NodeGone("a2".into()));
    scene.play();
    assert_eq!((scene.group.size.desired, scene.group.instances.len()), (3, 3), "{:#?}", scene.log);
}
