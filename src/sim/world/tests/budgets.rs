//! The disruption controller's arithmetic.

use super::*;
use crate::{
    domain::{IntOrPercent, PdbRule, PdbStatus},
    sim::spec::{Fault, FaultKind, Trouble, TroubleKind, TroubleWith},
};

fn status(world: &World) -> PdbStatus {
    world.budgets().next().unwrap().status.clone()
}

fn numbers(world: &World) -> (i32, i32, i32, i32) {
    let status = status(world);
    (status.expected, status.desired, status.current, status.allowed)
}

fn with_budget(replicas: u32, budget: BudgetSpec) -> World {
    let mut web = deployment("web", replicas);
    web.budgets = vec![budget];
    world(&[("a", 3)], vec![web])
}

#[test]
fn both_percentages_round_up() {
    let percent = |percent| Some(IntOrPercent::Percent(percent));
    let min = BudgetSpec { min_available: percent(50), ..BudgetSpec::default() };
    assert_eq!(numbers(&with_budget(7, min)), (7, 4, 7, 3));
    let max = BudgetSpec { max_unavailable: percent(25), ..BudgetSpec::default() };
    assert_eq!(numbers(&with_budget(7, max)), (7, 5, 7, 2));
    let all = BudgetSpec { min_available: percent(100), ..BudgetSpec::default() };
    assert_eq!(numbers(&with_budget(3, all)), (3, 3, 3, 0));
}

#[test]
fn whole_numbers_are_taken_as_they_are() {
    assert_eq!(numbers(&with_budget(3, min_available(2))), (3, 2, 3, 1));
    assert_eq!(numbers(&with_budget(3, max_unavailable(1))), (3, 2, 3, 1));
    assert_eq!(numbers(&with_budget(3, max_unavailable(5))), (3, 0, 3, 3));
    assert_eq!(numbers(&with_budget(1, min_available(3))), (1, 3, 1, 0));
}

#[test]
fn a_pod_that_leaves_is_expected_still_but_not_healthy() {
    let mut world = with_budget(3, max_unavailable(1));
    let pod = first_pod(&world, "web");
    assert_eq!(evict(&mut world, &pod), Outcome::Done);
    assert_eq!(status(&world).disrupted.into_keys().collect::<Vec<_>>(), std::slice::from_ref(&pod.name));
    assert_eq!(numbers(&world), (3, 2, 3, 0), "the server has taken the token; the controller has not looked yet");
    wait(&mut world, seconds(1));
    assert_eq!(numbers(&world), (3, 2, 2, 0));
    assert!(status(&world).disrupted.is_empty());
    wait(&mut world, seconds(15));
    assert_eq!(numbers(&world), (3, 2, 3, 1));
}

#[test]
fn the_status_lags_behind_the_spec_and_the_pods() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 3)]);
    let mut web = deployment("web", 3);
    web.budgets = vec![min_available(3)];
    spec.workloads = vec![web];
    spec.faults = vec![Fault { at: seconds(1), what: FaultKind::BudgetLag { lag: seconds(10) } }];
    let mut world = World::new(spec, 1);
    wait(&mut world, seconds(2));
    let id = world.budgets().next().unwrap().id.clone();
    world.act(&Act::ChangeBudget(id, PdbRule::MinAvailable(IntOrPercent::Int(1))));
    let pdb = world.budgets().next().unwrap().clone();
    assert!(!pdb.is_observed());
    wait(&mut world, seconds(11));
    assert!(world.budgets().next().unwrap().is_observed());
    assert_eq!(numbers(&world), (3, 1, 3, 2));
}

#[test]
fn a_controller_without_a_scale_makes_the_budget_fail() {
    let mut agent = WorkloadSpec::new(WorkloadKind::DaemonSet, "agent");
    agent.budgets = vec![max_unavailable(1)];
    let world = world(&[("a", 2)], vec![agent]);
    let status = status(&world);
    assert_eq!(status.allowed, 0);
    assert_eq!(status.sync_failed.as_deref(), Some("daemonsets.apps does not implement the scale subresource"));
}

#[test]
fn a_crashing_pod_uses_its_budget_up() {
    let mut web = deployment("web", 3);
    web.budgets = vec![max_unavailable(1)];
    web.trouble = Some(Trouble { kind: TroubleKind::CrashLoop, with: TroubleWith::First });
    let world = world(&[("a", 3)], vec![web]);
    assert_eq!(numbers(&world), (3, 2, 2, 0));
}

#[test]
fn losses_below_the_promise_are_recorded_with_their_cause() {
    let mut world = with_budget(2, max_unavailable(1));
    let all: Vec<_> = pods(&world, "web").iter().map(|pod| pod.id.clone()).collect();
    assert_eq!(evict(&mut world, &all[0]), Outcome::Done);
    assert!(world.facts().violations.is_empty());
    assert_eq!(delete(&mut world, &all[1], None), Outcome::Done);
    let violation = &world.facts().violations[0];
    assert_eq!((violation.healthy, violation.desired, violation.by), (0, 1, Loss::Deleted));
    assert_eq!(world.facts().violations_by_client().count(), 1);
}
