//! What the servers answer.

use super::*;
use crate::{
    domain::{PENDING_TAINT, TaintEffect, Uid, UnhealthyPolicy, key},
    ports::Refusal,
    sim::spec::{Fault, FaultKind, Replies, Trouble, TroubleKind, TroubleWith, WebhookSpec},
};

fn budget_refusal(cause: &str) -> Outcome {
    Outcome::Refused(Refusal::Budget { causes: vec![cause.to_owned()] })
}

fn web(replicas: u32, budgets: Vec<BudgetSpec>) -> World {
    let mut web = deployment("web", replicas);
    web.budgets = budgets;
    world(&[("a", 3)], vec![web])
}

#[test]
fn an_empty_budget_refuses_with_its_arithmetic() {
    let mut world = web(2, vec![min_available(2)]);
    let pod = first_pod(&world, "web");
    assert_eq!(
        evict(&mut world, &pod),
        budget_refusal("The disruption budget web needs 2 healthy pods and has 2 currently")
    );
    assert_eq!(world.facts().evictions_refused, 1);
}

#[test]
fn a_token_is_taken_by_the_server_so_that_the_second_is_refused() {
    let mut world = web(3, vec![max_unavailable(1)]);
    let all: Vec<_> = pods(&world, "web").iter().map(|pod| pod.id.clone()).collect();
    assert_eq!(evict(&mut world, &all[0]), Outcome::Done);
    assert!(matches!(evict(&mut world, &all[1]), Outcome::Refused(Refusal::Budget { .. })));
    assert_eq!(evict(&mut world, &all[0]), Outcome::Done, "a pod that leaves already needs no token");
    assert_eq!(world.facts().evictions[&all[0].uid], 2);
}

#[test]
fn a_stale_status_is_refused_as_being_processed() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 3)]);
    let mut web = deployment("web", 3);
    web.budgets = vec![max_unavailable(1)];
    spec.workloads = vec![web];
    spec.faults = vec![Fault { at: seconds(0), what: FaultKind::BudgetLag { lag: seconds(10) } }];
    let mut world = World::new(spec, 1);
    wait(&mut world, seconds(1));
    let pdb = world.budgets().next().unwrap().clone();
    world.act(&Act::ChangeBudget(pdb.id, pdb.rule));
    let pod = first_pod(&world, "web");
    let stale = "The disruption budget web is still being processed by the server.";
    assert_eq!(evict(&mut world, &pod), budget_refusal(stale));
    wait(&mut world, seconds(11));
    assert_eq!(evict(&mut world, &pod), Outcome::Done);
}

#[test]
fn two_budgets_on_one_pod_are_refused_for_ever() {
    let second = BudgetSpec { name: Some("second".to_owned()), ..max_unavailable(1) };
    let mut world = web(3, vec![max_unavailable(1), second]);
    let pod = first_pod(&world, "web");
    assert_eq!(evict(&mut world, &pod), Outcome::Refused(Refusal::TwoBudgets));
    let second = world.budgets().find(|pdb| pdb.id.name == "second").unwrap().id.clone();
    world.act(&Act::DeleteBudget(second));
    assert_eq!(evict(&mut world, &pod), Outcome::Done);
}

#[test]
fn a_budget_that_failed_to_sync_says_why() {
    let mut job = WorkloadSpec::new(WorkloadKind::Job, "job");
    job.budgets = vec![max_unavailable(1)];
    let mut world = world(&[("a", 1)], vec![job]);
    let pod = first_pod(&world, "job");
    assert_eq!(
        evict(&mut world, &pod),
        budget_refusal(
            "The disruption budget job does not allow evicting pods currently because it failed sync: jobs.batch \
             does not implement the scale subresource"
        )
    );
}

#[test]
fn pods_that_are_pending_finished_or_leaving_need_no_budget() {
    let mut web = deployment("web", 1);
    web.budgets = vec![min_available(1)];
    web.trouble = Some(Trouble { kind: TroubleKind::ImagePull, with: TroubleWith::All });
    let mut world = world(&[("a", 1)], vec![web]);
    let pod = first_pod(&world, "web");
    assert_eq!(evict(&mut world, &pod), Outcome::Done);
}

#[test]
fn unhealthy_pods_leave_while_the_budget_is_met_or_always_where_it_says_so() {
    let crashing = |replicas, budget: BudgetSpec| {
        let mut web = deployment("web", replicas);
        web.budgets = vec![budget];
        web.trouble = Some(Trouble { kind: TroubleKind::CrashLoop, with: TroubleWith::First });
        let world = world(&[("a", 3)], vec![web]);
        let pod = pods(&world, "web").iter().find(|pod| !pod.ready).unwrap().id.clone();
        (world, pod)
    };
    let (mut world, pod) = crashing(3, max_unavailable(1));
    assert_eq!(evict(&mut world, &pod), Outcome::Done, "two of two are healthy");
    let (mut world, pod) = crashing(2, min_available(2));
    assert!(matches!(evict(&mut world, &pod), Outcome::Refused(Refusal::Budget { .. })));
    let always = BudgetSpec { unhealthy: UnhealthyPolicy::AlwaysAllow, ..min_available(2) };
    let (mut world, pod) = crashing(2, always);
    assert_eq!(evict(&mut world, &pod), Outcome::Done);
}

#[test]
fn gone_and_other_pods_of_the_same_name_are_told_apart() {
    let set = WorkloadSpec::new(WorkloadKind::StatefulSet, "db");
    let mut world = world(&[("a", 2)], vec![set, deployment("web", 1)]);
    let (db, web) = (first_pod(&world, "db"), first_pod(&world, "web"));
    evict(&mut world, &db);
    evict(&mut world, &web);
    wait(&mut world, seconds(60));
    assert!(
        matches!(evict(&mut world, &db), Outcome::Refused(Refusal::Conflict { message }) if message.contains("Precondition failed"))
    );
    assert_eq!(evict(&mut world, &web), Outcome::Refused(Refusal::Gone));
    let nobody = PodRef { uid: Uid::new("none"), ..web };
    assert_eq!(delete(&mut world, &nobody, None), Outcome::Refused(Refusal::Gone));
}

#[test]
fn webhooks_and_namespaces_that_go_refuse_in_their_own_way() {
    let mut web = deployment("web", 2);
    web.webhook = Some(WebhookSpec {
        name: "drain.strimzi.io".to_owned(),
        message: "the operator moves this pod".to_owned(),
        until: Some(seconds(60)),
        down: false,
    });
    let mut world = world(&[("a", 2)], vec![web]);
    let pod = first_pod(&world, "web");
    let message = "admission webhook \"drain.strimzi.io\" denied the request: the operator moves this pod".to_owned();
    assert_eq!(evict(&mut world, &pod), Outcome::Refused(Refusal::Webhook { message }));
    wait(&mut world, seconds(61));
    world.act(&Act::Fault(FaultKind::DeleteNamespace { namespace: "default".to_owned() }));
    assert_eq!(evict(&mut world, &pod), Outcome::Refused(Refusal::NamespaceTerminating));
    wait(&mut world, seconds(60));
    assert_eq!(world.pods().count(), 0);
}

#[test]
fn finalizers_hold_a_pod_that_has_stopped_until_somebody_takes_them_off() {
    let mut web = deployment("web", 1);
    web.finalizers = vec!["example.com/hold".to_owned()];
    let mut world = world(&[("a", 2)], vec![web]);
    let pod = first_pod(&world, "web");
    evict(&mut world, &pod);
    wait(&mut world, seconds(600));
    assert!(world.pods().any(|known| known.id == pod && known.deletion.is_some()));
    world.act(&Act::Fault(FaultKind::RemoveFinalizers { workload: "default/web".to_owned() }));
    assert!(!world.pods().any(|known| known.id == pod));
}

#[test]
fn a_node_patch_does_exactly_what_it_says() {
    let mut world = web(1, Vec::new());
    let name = world.nodes().next().unwrap().name.clone();
    let patch = NodePatch {
        unschedulable: Some(true),
        excluded: Some(true),
        pending_taint: Some(true),
        shielded: Some(true),
        marks: vec![crate::domain::NodeMark::Cordoned, crate::domain::NodeMark::Excluded],
        unmark: std::collections::BTreeSet::new(),
    };
    assert_eq!(world.apply(&Effect::Kube(KubeAct::PatchNode(name.clone(), patch))), Outcome::Done);
    let patched = node(&world, &name);
    assert!(patched.unschedulable && patched.shielded && patched.marks.cordoned());
    assert_eq!(patched.labels[crate::domain::EXCLUDE_FROM_LOAD_BALANCERS], "true");
    assert_eq!(patched.taints, [PENDING_TAINT.taint()]);
    assert_eq!(patched.taints[0].effect, TaintEffect::PreferNoSchedule);
    let undo = NodePatch {
        unschedulable: Some(false),
        excluded: Some(false),
        pending_taint: Some(false),
        shielded: Some(false),
        marks: Vec::new(),
        unmark: [key::CORDONED.to_owned(), key::EXCLUDED.to_owned()].into(),
    };
    world.apply(&Effect::Kube(KubeAct::PatchNode(name.clone(), undo)));
    let undone = node(&world, &name);
    assert!(undone.marks.is_empty() && undone.taints.is_empty() && !undone.unschedulable && !undone.shielded);
    let missing = NodeName::new("nobody");
    let answer = world.apply(&Effect::Kube(KubeAct::PatchNode(missing, NodePatch::default())));
    assert_eq!(answer, Outcome::Refused(Refusal::Gone));
}

#[test]
fn a_lost_reply_is_done_and_a_lost_request_is_not() {
    let mut world = web(2, Vec::new());
    let pod = first_pod(&world, "web");
    world.lose_next_reply();
    assert!(matches!(evict(&mut world, &pod), Outcome::Unknown(_)));
    assert!(world.pods().any(|known| known.id == pod && known.deletion.is_some()));

    let mut spec = WorldSpec::with_old_nodes(&[("a", 1)]);
    spec.workloads = vec![deployment("web", 1)];
    spec.replies = Replies { lost_requests: 90, ..Replies::default() };
    let mut world = World::new(spec, 3);
    let pod = first_pod(&world, "web");
    let lost = evict(&mut world, &pod);
    assert!(matches!(lost, Outcome::Unknown(_)));
    assert!(world.pods().all(|known| known.deletion.is_none()));
}

#[test]
fn a_termination_is_recorded_with_what_still_ran_there() {
    let mut world = web(3, vec![max_unavailable(1)]);
    let victim = pods(&world, "web")[0].clone();
    let name = victim.node.clone().unwrap();
    assert_eq!(terminate(&mut world, &name), Outcome::Done);
    assert_eq!(terminate(&mut world, &name), Outcome::Done, "a second call is harmless");
    let facts = world.facts();
    assert_eq!(facts.terminations[0].left.len(), 1);
    assert_eq!(facts.terminations.iter().map(|t| t.repeated).collect::<Vec<_>>(), [false, true]);
    assert_eq!(facts.killed_by_client().count(), 1);
    assert_eq!(facts.terminations_by_client().values().copied().collect::<Vec<_>>(), [2]);
    wait(&mut world, seconds(300));
    assert!(world.nodes().all(|node| node.name != name));
    assert_eq!(world.available(), 3);
    assert!(pods(&world, "web").len() == 3 && pods(&world, "web").iter().all(|pod| pod.ready));
}

#[test]
fn acts_on_what_is_not_the_groups_are_recorded() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 1)]);
    spec.other_nodes = vec![crate::sim::spec::OtherNodesSpec {
        kind: crate::domain::NodeKind::Karpenter,
        zone: "a".to_owned(),
        count: 1,
        cpu: crate::sim::spec::Cpu(2000),
        memory: crate::sim::spec::Memory(4096),
        labels: std::collections::BTreeMap::new(),
        taints: Vec::new(),
    }];
    let mut world = World::new(spec, 1);
    let other = world.nodes().find(|node| node.kind != crate::domain::NodeKind::Instance).unwrap().name.clone();
    cordon(&mut world, &other);
    assert_eq!(world.facts().foreign, [format!("node/{other} patched")]);
}
