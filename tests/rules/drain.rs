//! What leaves a node, when, and what happens when it does not.

use std::time::Duration;

use mngup::{
    domain::*,
    engine::{
        Input,
        effect::{Outcome, Refusal},
        event::{Event, RunOutcome, Stuck},
        waiting::WaitingOn,
    },
};

use crate::scene::{Scene, no_surge, pdb, pod};

fn scene(policy: Policy) -> Scene {
    Scene::new(&[("a", 1)], Policy { max_surge: Some(IntOrPercent::Int(0)), ..policy })
}

fn evictions(scene: &Scene) -> Vec<&str> {
    scene.log.iter().filter_map(|line| line.strip_prefix("evict ")).collect()
}

fn waits(scene: &Scene) -> Vec<WaitingOn> {
    let last = scene.events.iter().rev().find_map(|event| match event {
        Event::Waiting { who, on, .. } if who == "node/a1" => Some(on.clone()),
        _ => None,
    });
    last.unwrap_or_default()
}

#[test]
fn daemons_mirrors_and_finished_pods_stay_and_hold_nothing() {
    let mut scene = scene(Policy::default());
    let daemon =
        Pod { owner: Some(Owner { kind: "DaemonSet".to_owned(), name: "cni".to_owned() }), ..pod("cni-1", "a1") };
    scene.see(Change::Pod(Box::new(daemon)));
    scene.see(Change::Pod(Box::new(Pod { mirror: true, ..pod("proxy", "a1") })));
    scene.see(Change::Pod(Box::new(Pod { phase: PodPhase::Succeeded, owner: None, ..pod("done", "a1") })));
    scene.play();
    assert!(evictions(&scene).is_empty());
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Done));
}

#[test]
fn a_pod_without_a_controller_needs_its_own_consent() {
    let mut blocked = scene(Policy::default());
    blocked.see(Change::Pod(Box::new(Pod { owner: None, ..pod("bare", "a1") })));
    blocked.settle();
    assert!(matches!(waits(&blocked).as_slice(), [WaitingOn::Unmanaged { .. }]), "{:?}", waits(&blocked));
    let mut consented = scene(Policy { delete_unmanaged: true, ..Policy::default() });
    consented.see(Change::Pod(Box::new(Pod { owner: None, ..pod("bare", "a1") })));
    consented.play();
    assert_eq!(evictions(&consented), ["bare"]);
}

#[test]
fn an_eviction_is_sent_only_with_a_token_of_its_budget() {
    let mut scene = scene(Policy::default());
    for name in ["web-1", "web-2", "web-3"] {
        scene.see(Change::Pod(Box::new(pod(name, "a1"))));
    }
    scene.see(Change::Pod(Box::new(Pod { labels: Default::default(), ..pod("free", "a1") })));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 3, 3))));
    scene.settle();
    assert_eq!(evictions(&scene), ["free"]);
    scene.see(Change::Pdb(Box::new(Pdb { revision: "2".to_owned(), ..pdb("web", 1, 2, 3) })));
    scene.settle();
    // One token, one eviction; the budget's status has not moved since, so no second is spent.
    assert_eq!(evictions(&scene), ["free", "web-1"]);
    scene.see(Change::Pdb(Box::new(Pdb { revision: "3".to_owned(), ..pdb("web", 1, 2, 3) })));
    scene.settle();
    assert_eq!(evictions(&scene), ["free", "web-1", "web-2"]);
}

#[test]
fn a_refusal_closes_the_budget_until_its_status_moves() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pod(Box::new(pod("web-2", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 2, 1, 3))));
    let causes = vec!["The disruption budget web needs 1 healthy pods and has 1 currently".to_owned()];
    scene.answers.insert("evict".to_owned(), Outcome::Refused(Refusal::Budget { causes }));
    scene.settle();
    assert_eq!(evictions(&scene), ["web-1"]);
    scene.answers.clear();
    scene.after(Duration::from_secs(20));
    scene.settle();
    assert_eq!(evictions(&scene), ["web-1"]);
    scene.see(Change::Pdb(Box::new(Pdb { revision: "2".to_owned(), ..pdb("web", 2, 1, 3) })));
    scene.settle();
    assert_eq!(evictions(&scene)[1..], ["web-1", "web-2"]);
}

#[test]
fn a_missed_change_of_a_budget_is_mended_by_the_safety_timer() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 2, 1, 3))));
    scene.answers.insert("evict".to_owned(), Outcome::Refused(Refusal::Budget { causes: Vec::new() }));
    scene.settle();
    scene.answers.clear();
    scene.after(Duration::from_secs(31));
    scene.settle();
    assert_eq!(evictions(&scene), ["web-1", "web-1"]);
}

#[test]
fn two_budgets_on_one_pod_are_seen_before_anything_is_sent() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("one", 1, 1, 2))));
    scene.see(Change::Pdb(Box::new(pdb("two", 1, 1, 2))));
    scene.settle();
    assert!(evictions(&scene).is_empty());
    assert!(matches!(waits(&scene).as_slice(), [WaitingOn::TwoBudgets { pdbs, .. }] if pdbs.len() == 2));
}

#[test]
fn a_pod_that_is_not_ready_leaves_without_a_token_where_its_budget_says_so() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(Pod { ready: false, ..pod("web-1", "a1") })));
    scene.see(Change::Pdb(Box::new(Pdb { unhealthy: UnhealthyPolicy::AlwaysAllow, ..pdb("web", 0, 3, 3) })));
    scene.settle();
    assert_eq!(evictions(&scene), ["web-1"]);
}

#[test]
fn after_fifteen_minutes_the_node_is_given_back_and_the_run_stops_with_the_reason() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.settle();
    scene.after(Duration::from_secs(14 * 60));
    scene.settle();
    assert!(scene.run.ended().is_none());
    scene.after(Duration::from_secs(61));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::EvictionFailed));
    scene.position("uncordon+untaint a1");
    let stuck = scene.events.iter().find_map(|event| match event {
        Event::NodeStuck { why: Stuck::PodEviction { held, .. }, .. } => Some(held.clone()),
        _ => None,
    });
    let held = stuck.unwrap();
    assert_eq!(held[0].pod.name, "web-1");
    let WaitingOn::Budget(view) = &held[0].on else { panic!("{held:?}") };
    assert!(view.never);
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate")));
}

#[test]
fn with_quarantine_the_node_stays_cordoned_and_the_others_are_done() {
    let policy = Policy { undrainable: Undrainable::Quarantine, ..Policy::default() };
    let mut scene = Scene::new(&[("a", 3)], policy);
    scene.see(Change::Pod(Box::new(pod("web-1", "a2"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 1, 1))));
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::Quarantined { nodes: ["a2".into()].into() }));
    let old = scene.snapshot.node(&"a2".into()).unwrap();
    assert!(old.unschedulable && old.marks.quarantined_at().is_some());
    scene.position("terminate i-a3");
    assert!(!scene.log.iter().any(|line| line.ends_with("i-a2")));
    // The last of the others shrank the group long before patience with a2 ended: another came in its place.
    assert!(scene.log.contains(&"shrink by i-a1".to_owned()), "{:#?}", scene.log);
    let serving = scene.snapshot.nodes().values().filter(|node| node.is_ready() && !node.unschedulable);
    assert_eq!((scene.group.size.desired, serving.count()), (4, 3));
}

/// The one that is quarantined is all that may be out, and does not come back by itself.
#[test]
fn quarantine_without_room_for_another_ends_at_once() {
    let policy = Policy { undrainable: Undrainable::Quarantine, max_quarantined: 5, ..no_surge() };
    let mut scene = Scene::new(&[("a", 3)], policy);
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 1, 1))));
    let began = scene.now;
    scene.play();
    assert_eq!(scene.run.ended(), Some(&RunOutcome::EvictionFailed));
    assert!(elapsed(began, scene.now) < Duration::from_secs(16 * 60), "{:?}", elapsed(began, scene.now));
}

#[test]
fn with_eviction_disabled_pods_are_deleted_at_once() {
    let mut scene = scene(Policy { disable_eviction: true, ..Policy::default() });
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 2))));
    scene.settle();
    scene.position("delete web-1");
}

#[test]
fn a_deletion_that_was_accepted_is_not_sent_again_while_the_watch_is_behind() {
    let mut scene = scene(Policy { disable_eviction: true, ..Policy::default() });
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    // Accepted, and nothing is seen of it.
    scene.answers.insert("delete web-1".to_owned(), Outcome::Done);
    let deletions = |scene: &Scene| scene.log.iter().filter(|line| *line == "delete web-1").count();
    scene.settle();
    scene.after(Duration::from_secs(5));
    scene.settle();
    assert_eq!(deletions(&scene), 1);
    scene.after(Duration::from_secs(60));
    scene.settle();
    assert_eq!(deletions(&scene), 2, "the watch may have been cut");
}

#[test]
fn a_node_whose_pods_are_not_known_is_not_called_empty() {
    let mut scene = scene(Policy::default());
    scene.see(Change::PodsUnwatched("a1".into()));
    scene.settle();
    scene.after(Duration::from_secs(120));
    scene.settle();
    assert!(!scene.log.iter().any(|line| line.starts_with("terminate")));
    scene.see(Change::PodsListed("a1".into()));
    scene.play();
    scene.position("terminate i-a1");
}

#[test]
fn a_node_that_somebody_uncordons_is_cordoned_again_before_it_counts_as_empty() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.after(Duration::from_secs(6));
    scene.change_node("a1", |node| node.unschedulable = false);
    scene.settle();
    assert!(scene.log.contains(&"cordon a1".to_owned()), "{:#?}", scene.log);
}

#[test]
fn a_pod_that_keeps_coming_back_is_not_asked_for_ever() {
    let mut scene = scene(Policy::default());
    scene.settle();
    let everything = Toleration { key: None, operator: TolerationOperator::Exists, value: String::new(), effect: None };
    for round in 0..6 {
        scene.after(Duration::from_secs(1));
        let agent = Pod {
            tolerations: vec![everything.clone()],
            created_at: scene.now,
            ..pod(&format!("agent-{round}"), "a1")
        };
        scene.see(Change::Pod(Box::new(agent)));
        scene.settle();
    }
    assert_eq!(evictions(&scene).len(), 2, "{:?}", evictions(&scene));
    assert!(waits(&scene).iter().any(|on| matches!(on, WaitingOn::LandsBack { .. })), "{:?}", waits(&scene));
}

/// The watch may be faster than the answer; who reads along is not told of an eviction from an empty node.
#[test]
fn a_node_is_not_called_drained_before_its_evictions_are_answered() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    scene.see(Change::Pdb(Box::new(pdb("web", 0, 2, 3))));
    scene.settle();
    scene.see(Change::Pdb(Box::new(pdb("web", 1, 2, 3))));
    let evict = scene.decide(Input::Tick).acts.remove(0);
    for note in evict.notes {
        scene.run.evolve(scene.now, &Event::Noted(note));
    }
    scene.see(Change::PodGone("web-1".into()));
    scene.decide(Input::Tick);
    scene.decide(Input::Answer { effect: &evict.effect, outcome: &Outcome::Done });
    let told = scene.events.iter().filter_map(|event| match event {
        Event::PodEvicted { .. } => Some("evicted".to_owned()),
        Event::PodGone { .. } => Some("gone".to_owned()),
        Event::NodeDrained { pods, .. } => Some(format!("drained {pods}")),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["evicted", "gone", "drained 1"]);
}

#[test]
fn a_missing_right_ends_the_run_and_says_so() {
    let mut scene = scene(Policy::default());
    scene.see(Change::Pod(Box::new(pod("web-1", "a1"))));
    let message = "pods/eviction is forbidden: User \"ci\" cannot create resource".to_owned();
    scene.answers.insert("evict".to_owned(), Outcome::Refused(Refusal::Forbidden { message }));
    scene.play();
    assert!(matches!(scene.run.ended(), Some(RunOutcome::Refused { why }) if why.contains("pods/eviction")));
    scene.position("uncordon+untaint a1");
}
