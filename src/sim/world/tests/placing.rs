//! The scheduler and the controllers.

use super::*;
use crate::{
    domain::{IntOrPercent, TaintEffect},
    sim::spec::{Cpu, Memory, OtherNodesSpec, TaintSpec, TolerationSpec, Topology, Trouble, TroubleKind, TroubleWith},
};

#[test]
fn a_world_begins_with_everything_ready_and_spread() {
    let world = world(&[("a", 2), ("b", 2)], vec![deployment("web", 8)]);
    assert_eq!(world.available(), 4);
    assert!(world.pods().all(|pod| pod.ready && pod.node.is_some()));
    for node in world.nodes() {
        assert_eq!(world.pods().filter(|pod| pod.node.as_ref() == Some(&node.name)).count(), 2);
    }
    assert_eq!(world.next_event(), None);
}

#[test]
fn pods_that_do_not_fit_wait_and_say_why() {
    let mut wide = deployment("web", 3);
    wide.cpu = Cpu(1500);
    let world = world(&[("a", 2)], vec![wide]);
    assert_eq!(world.unscheduled(), 1);
    let waiting = world.pods().find(|pod| pod.node.is_none()).unwrap();
    assert_eq!(waiting.phase, PodPhase::Pending);
    assert_eq!(said(waiting), "Unschedulable: 0/2 nodes are available: 2 Insufficient cpu.");
}

#[test]
fn a_cordoned_node_takes_only_who_tolerates_it() {
    let mut tolerant = deployment("tolerant", 1);
    tolerant.tolerations = vec![TolerationSpec::default()];
    let mut world = world(&[("a", 1)], vec![deployment("web", 1), tolerant]);
    let name = world.nodes().next().unwrap().name.clone();
    cordon(&mut world, &name);
    for app in ["web", "tolerant"] {
        let pod = first_pod(&world, app);
        assert_eq!(evict(&mut world, &pod), Outcome::Done);
    }
    wait(&mut world, seconds(60));
    assert!(pods(&world, "tolerant")[0].ready);
    let trouble = said(pods(&world, "web")[0]);
    assert!(trouble.contains("1 node(s) were unschedulable"), "{trouble}");
}

#[test]
fn a_soft_taint_sends_pods_elsewhere_but_not_away() {
    let mut world = world(&[("a", 2)], vec![deployment("web", 6)]);
    let names: Vec<_> = world.nodes().map(|node| node.name.clone()).collect();
    let taint = NodePatch { pending_taint: Some(true), ..NodePatch::default() };
    world.apply(&Effect::Kube(KubeAct::PatchNode(names[0].clone(), taint.clone())));
    let here: Vec<_> =
        pods(&world, "web").iter().filter(|pod| pod.node.as_ref() == Some(&names[0])).map(|p| p.id.clone()).collect();
    for pod in here {
        evict(&mut world, &pod);
    }
    wait(&mut world, seconds(60));
    assert!(world.pods().all(|pod| pod.node.as_ref() == Some(&names[1])));
    cordon(&mut world, &names[1]);
    let pod = first_pod(&world, "web");
    evict(&mut world, &pod);
    wait(&mut world, seconds(60));
    assert!(world.pods().any(|pod| pod.node.as_ref() == Some(&names[0]) && pod.ready));
}

#[test]
fn a_hard_taint_and_a_selector_keep_pods_off() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 1)]);
    spec.other_nodes = vec![OtherNodesSpec {
        kind: crate::domain::NodeKind::Karpenter,
        zone: "a".to_owned(),
        count: 1,
        cpu: Cpu(2000),
        memory: Memory(4096),
        labels: [("pool".to_owned(), "gpu".to_owned())].into(),
        taints: vec![TaintSpec { key: "gpu".to_owned(), value: String::new(), effect: TaintEffect::NoSchedule }],
    }];
    let mut picky = deployment("picky", 1);
    picky.node_selector = [("pool".to_owned(), "gpu".to_owned())].into();
    let mut both = picky.clone();
    both.name = "both".to_owned();
    both.tolerations = vec![TolerationSpec { key: Some("gpu".to_owned()), ..TolerationSpec::default() }];
    spec.workloads = vec![deployment("web", 2), picky, both];
    let world = World::new(spec, 1);
    assert_eq!(world.unscheduled(), 1);
    assert_eq!(world.group_nodes().count(), 1);
    let gpu = world.nodes().find(|node| node.kind == crate::domain::NodeKind::Karpenter).unwrap();
    assert_eq!(pods(&world, "both")[0].node.as_ref(), Some(&gpu.name));
    assert!(pods(&world, "web").iter().all(|pod| pod.node.as_ref() != Some(&gpu.name)));
}

#[test]
fn anti_affinity_holds_one_a_node_or_one_a_zone() {
    let mut by_node = deployment("by-node", 3);
    by_node.anti_affinity = Some(Topology::Hostname);
    let mut by_zone = deployment("by-zone", 3);
    by_zone.anti_affinity = Some(Topology::Zone);
    let world = world(&[("a", 1), ("b", 2)], vec![by_node, by_zone]);
    assert!(pods(&world, "by-node").iter().all(|pod| pod.node.is_some()));
    let waiting: Vec<_> = pods(&world, "by-zone").into_iter().filter(|pod| pod.node.is_none()).collect();
    assert_eq!(waiting.len(), 1);
    assert!(said(waiting[0]).contains("3 node(s) didn't match pod anti-affinity rules"));
}

#[test]
fn a_spread_that_is_required_counts_cordoned_nodes_too() {
    let mut even = deployment("even", 2);
    even.spread = Some(Topology::Hostname);
    let mut world = world(&[("a", 2)], vec![even]);
    let name = world.nodes().next().unwrap().name.clone();
    cordon(&mut world, &name);
    let there = pods(&world, "even").into_iter().find(|pod| pod.node.as_ref() == Some(&name)).unwrap().id.clone();
    assert_eq!(evict(&mut world, &there), Outcome::Done);
    wait(&mut world, seconds(60));
    let waiting = pods(&world, "even").into_iter().find(|pod| pod.node.is_none()).unwrap();
    assert_eq!(
        said(waiting),
        "Unschedulable: 0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were \
         unschedulable."
    );
}

#[test]
fn pods_of_one_port_never_share_a_node() {
    let mut proxy = deployment("proxy", 3);
    proxy.host_port = true;
    let world = world(&[("a", 2)], vec![proxy]);
    let waiting = pods(&world, "proxy").into_iter().find(|pod| pod.node.is_none()).unwrap();
    let words = "Unschedulable: 0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.";
    assert_eq!(said(waiting), words);
}

#[test]
fn a_zonal_volume_keeps_its_pod_in_the_zone_and_lets_go_of_the_old_node_first() {
    let mut db = WorkloadSpec { replicas: 1, ..WorkloadSpec::new(WorkloadKind::StatefulSet, "db") };
    db.zonal_volume = true;
    let mut world = world(&[("a", 2), ("b", 1)], vec![db]);
    let before = pods(&world, "db")[0].clone();
    let old = node(&world, before.node.as_ref().unwrap());
    assert_eq!(old.volumes.len(), 1);
    assert_eq!(before.claims, ["data-db-0"]);
    cordon(&mut world, &old.name);
    evict(&mut world, &before.id);
    wait(&mut world, seconds(4));
    let after = pods(&world, "db")[0].clone();
    assert_eq!((&after.id.name, after.id.uid == before.id.uid), (&before.id.name, false));
    assert_eq!(said(&after), "ContainerCreating");
    wait(&mut world, seconds(60));
    let after = pods(&world, "db")[0].clone();
    assert!(after.ready);
    assert_eq!(node(&world, after.node.as_ref().unwrap()).zone, old.zone);
    assert!(node(&world, &old.name).volumes.is_empty());
}

#[test]
fn a_stateful_set_goes_one_by_one_and_waits_for_the_old_pod_to_be_gone() {
    let set = WorkloadSpec { replicas: 3, ..WorkloadSpec::new(WorkloadKind::StatefulSet, "db") };
    let mut world = world(&[("a", 3)], vec![set]);
    let zero = pods(&world, "db").iter().find(|pod| pod.id.name == "db-0").unwrap().id.clone();
    let two = pods(&world, "db").iter().find(|pod| pod.id.name == "db-2").unwrap().id.clone();
    evict(&mut world, &zero);
    evict(&mut world, &two);
    wait(&mut world, seconds(2));
    assert_eq!(pods(&world, "db").len(), 3);
    wait(&mut world, seconds(2));
    let names: Vec<_> = pods(&world, "db").iter().map(|pod| pod.id.name.clone()).collect();
    assert_eq!(names, ["db-1", "db-0"], "db-2 waits until db-0 is Ready");
    wait(&mut world, seconds(30));
    assert!(pods(&world, "db").iter().all(|pod| pod.ready));
    assert_eq!(pods(&world, "db").len(), 3);
}

#[test]
fn a_replica_set_makes_the_new_pod_while_the_old_one_still_stops() {
    let mut world = world(&[("a", 2)], vec![deployment("web", 1)]);
    let old = first_pod(&world, "web");
    evict(&mut world, &old);
    assert_eq!(pods(&world, "web").len(), 2);
    wait(&mut world, seconds(11));
    let left = pods(&world, "web");
    assert!(left.len() == 1 && left[0].ready && left[0].id != old);
}

#[test]
fn a_daemon_pod_is_made_again_on_the_same_node_even_when_that_is_cordoned() {
    let mut world = world(&[("a", 2)], vec![WorkloadSpec::new(WorkloadKind::DaemonSet, "agent")]);
    assert_eq!(pods(&world, "agent").len(), 2);
    let old = pods(&world, "agent")[0].clone();
    cordon(&mut world, old.node.as_ref().unwrap());
    delete(&mut world, &old.id, None);
    wait(&mut world, seconds(20));
    let new = pods(&world, "agent").into_iter().find(|pod| pod.node == old.node).unwrap();
    assert!(new.ready && new.id.uid != old.id.uid);
}

#[test]
fn a_job_runs_to_its_end_and_begins_again_when_it_is_evicted() {
    let mut job = WorkloadSpec::new(WorkloadKind::Job, "report");
    job.runs = Some(seconds(100));
    let mut world = world(&[("a", 2)], vec![job]);
    wait(&mut world, seconds(50));
    let first = first_pod(&world, "report");
    evict(&mut world, &first);
    wait(&mut world, seconds(60));
    assert_eq!(pods(&world, "report")[0].phase, PodPhase::Running);
    wait(&mut world, seconds(60));
    assert_eq!(pods(&world, "report")[0].phase, PodPhase::Succeeded);
    assert_eq!(pods(&world, "report").len(), 1);
}

#[test]
fn a_bare_pod_never_comes_back() {
    let mut world = world(&[("a", 2)], vec![WorkloadSpec::new(WorkloadKind::Pod, "debug")]);
    let pod = first_pod(&world, "debug");
    assert!(pods(&world, "debug")[0].owner.is_none());
    evict(&mut world, &pod);
    wait(&mut world, seconds(60));
    assert!(pods(&world, "debug").is_empty());
}

#[test]
fn grace_bounds_a_slow_stop_and_a_stuck_pod_ignores_it() {
    let mut slow = deployment("slow", 1);
    slow.stop = seconds(600);
    let mut stuck = deployment("stuck", 1);
    stuck.trouble = Some(Trouble { kind: TroubleKind::StuckTerminating, with: TroubleWith::First });
    let mut world = world(&[("a", 2)], vec![slow, stuck]);
    let (slow, stuck) = (first_pod(&world, "slow"), first_pod(&world, "stuck"));
    let asked = world.now();
    evict(&mut world, &slow);
    evict(&mut world, &stuck);
    wait(&mut world, seconds(29));
    let there = |world: &World, pod: &PodRef| world.pods().any(|known| known.id == *pod);
    assert!(there(&world, &slow) && there(&world, &stuck));
    let deletion = world.pods().find(|pod| pod.id == stuck).unwrap().deletion.unwrap();
    assert_eq!((deletion.due, deletion.grace_seconds), (later(asked, seconds(30)), 30));
    wait(&mut world, seconds(600));
    assert!(!there(&world, &slow) && there(&world, &stuck));
    delete(&mut world, &stuck, Some(0));
    assert!(!there(&world, &stuck));
}

#[test]
fn troubled_pods_never_become_ready_and_say_why() {
    let troubled = |name: &str, kind| {
        let mut spec = deployment(name, 2);
        spec.trouble = Some(Trouble { kind, with: TroubleWith::First });
        spec
    };
    let mut world = world(
        &[("a", 3)],
        vec![
            troubled("never", TroubleKind::NeverReady),
            troubled("crash", TroubleKind::CrashLoop),
            troubled("image", TroubleKind::ImagePull),
        ],
    );
    wait(&mut world, seconds(300));
    let trouble = |app: &str| {
        let pods = pods(&world, app);
        assert_eq!(pods.iter().filter(|pod| pod.ready).count(), 1);
        let bad = pods.iter().find(|pod| !pod.ready).unwrap();
        (bad.phase, said(bad))
    };
    assert_eq!(trouble("never").0, PodPhase::Running);
    let (phase, words) = trouble("crash");
    assert!(phase == PodPhase::Running && words.starts_with("CrashLoopBackOff, exit 1, "), "{words}");
    assert_eq!(trouble("image"), (PodPhase::Pending, "ImagePullBackOff, registry.example.com/image:2".to_owned()));
}

#[test]
fn scaling_down_takes_the_pods_that_run_least() {
    let mut spec = deployment("web", 3);
    spec.budgets = vec![BudgetSpec { min_available: Some(IntOrPercent::Percent(50)), ..BudgetSpec::default() }];
    let mut world = world(&[("a", 2)], vec![spec]);
    let scale = Act::Scale { namespace: "default".to_owned(), name: "web".to_owned(), replicas: 1 };
    world.act(&scale);
    wait(&mut world, seconds(30));
    assert_eq!(pods(&world, "web").len(), 1);
    let status = &world.budgets().next().unwrap().status;
    assert_eq!((status.expected, status.desired, status.allowed), (1, 1, 0));
}
