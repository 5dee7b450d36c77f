//! Nodes come and go, and whole worlds are rolled by a drain that knows nothing.

use super::*;
use crate::{
    domain::key,
    sim::spec::{Fault, FaultKind, Target, Topology},
};

/// Cordon, evict until nothing is left, terminate, wait: the runbook that people follow by hand.
fn roll_naively(world: &mut World, patience: Duration) -> Result<(), String> {
    let old: Vec<NodeName> = world.group_nodes().map(|node| node.name.clone()).collect();
    let size = world.asg().size().desired;
    let give_up = later(world.now(), patience);
    for name in old {
        cordon(world, &name);
        loop {
            let mut left: Vec<PodRef> = Vec::new();
            for pod in world.pods().filter(|pod| pod.node.as_ref() == Some(&name)) {
                if !pod.is_daemon() && !pod.is_finished() {
                    left.push(pod.id.clone());
                }
            }
            if left.is_empty() {
                break;
            }
            for pod in left {
                evict(world, &pod);
            }
            wait(world, seconds(5));
            if world.now() > give_up {
                return Err(format!("{name} was not drained"));
            }
        }
        terminate(world, &name);
        while world.available() < size || world.nodes().any(|node| node.name == name) {
            wait(world, seconds(5));
            if world.now() > give_up {
                return Err(format!("{name} was not replaced"));
            }
        }
    }
    Ok(())
}

fn shop() -> WorldSpec {
    WorldSpec::shop().unwrap()
}

#[test]
fn a_healthy_shop_can_be_rolled_and_nothing_is_lost() {
    let mut world = World::new(shop(), 7);
    assert_eq!(world.unscheduled(), 0);
    assert!(world.pods().all(|pod| pod.ready));
    roll_naively(&mut world, seconds(4 * 3600)).unwrap();
    let target = world.describe_group(false).target.template;
    assert!(world.asg().instances().values().all(|instance| instance.template == target));
    assert_eq!(world.available(), 12);
    let facts = world.facts();
    assert_eq!(facts.killed_by_client().count(), 0);
    assert_eq!(facts.violations, []);
    assert_eq!((facts.min_available, facts.max_nodes), (11, 12));
    assert!(world.group_nodes().all(|node| node.kubelet_version.starts_with("v1.33") && !node.unschedulable));
    wait(&mut world, seconds(300));
    assert!(world.pods().all(|pod| pod.ready || pod.is_finished()));
}

#[test]
fn the_sandbox_worlds_stand_still_where_they_should() {
    let load = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/sandbox").join(name);
        World::new(WorldSpec::from_file(&path).unwrap(), 1)
    };
    for name in ["never-allows.yaml", "two-budgets.yaml", "lands-back.yaml"] {
        let error = roll_naively(&mut load(name), seconds(3600)).unwrap_err();
        assert!(error.ends_with("was not drained"), "{name}: {error}");
    }
    let mut world = load("no-addresses.yaml");
    let error = roll_naively(&mut world, seconds(3600)).unwrap_err();
    assert!(error.ends_with("was not replaced"), "{error}");
    let failed = world.describe_group(true);
    let failed = failed.failed_launch_since(world.start()).unwrap();
    assert!(failed.message.as_ref().unwrap().contains("not enough free addresses"));
}

#[test]
fn the_same_seed_has_the_same_history() {
    let play = |seed| {
        let mut world = World::new(shop(), seed);
        roll_naively(&mut world, seconds(4 * 3600)).unwrap();
        let pods: Vec<_> = world.pods().map(|pod| (pod.id.clone(), pod.node.clone())).collect();
        (world.now(), world.facts().clone(), pods)
    };
    assert_eq!(play(3), play(3));
    assert_ne!(play(3).2, play(4).2);
}

#[test]
fn a_new_node_joins_becomes_ready_and_gets_its_daemon_pods() {
    let mut world = world(&[("a", 1)], vec![WorkloadSpec::new(WorkloadKind::DaemonSet, "agent")]);
    world.with_asg(|asg| asg.set_desired(2, later(Timestamp::UNIX_EPOCH, seconds(0)))).unwrap();
    wait(&mut world, seconds(1 + 45 + 34));
    assert_eq!(world.nodes().count(), 1);
    wait(&mut world, seconds(2));
    let new = world.nodes().last().unwrap().clone();
    assert_eq!(new.ready, Readiness::NotReady("KubeletNotReady".to_owned()));
    assert_eq!(new.kubelet_version, "v1.33.5-eks-113cf36");
    assert!(pods(&world, "agent").iter().any(|pod| pod.node.as_ref() == Some(&new.name) && !pod.ready));
    wait(&mut world, seconds(20));
    assert_eq!(world.available(), 2);
    assert!(pods(&world, "agent").iter().all(|pod| pod.ready));
}

#[test]
fn a_spot_loss_takes_the_pods_and_nobody_is_blamed() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 3)]);
    let mut web = deployment("web", 3);
    web.anti_affinity = Some(Topology::Hostname);
    web.budgets = vec![min_available(3)];
    spec.workloads = vec![web];
    spec.faults = vec![Fault { at: seconds(10), what: FaultKind::SpotLoss { node: Target::First } }];
    let mut world = World::new(spec, 1);
    wait(&mut world, seconds(11));
    assert_eq!(world.available(), 2);
    let facts = world.facts();
    assert_eq!((facts.killed_with_node.len(), facts.killed_by_client().count()), (1, 0));
    assert_eq!((facts.violations.len(), facts.violations_by_client().count()), (1, 0));
    wait(&mut world, seconds(200));
    assert_eq!(world.available(), 3);
    assert!(world.pods().all(|pod| pod.ready));
}

#[test]
fn a_node_that_is_not_ready_takes_its_pods_readiness_and_gives_it_back() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 2)]);
    spec.workloads = vec![deployment("web", 2)];
    let fault = FaultKind::NotReady { node: Target::First, lasts: Some(seconds(60)), says: None };
    spec.faults = vec![Fault { at: seconds(10), what: fault }];
    let mut world = World::new(spec, 1);
    wait(&mut world, seconds(11));
    assert_eq!((world.available(), world.pods().filter(|pod| pod.ready).count()), (1, 1));
    wait(&mut world, seconds(60));
    assert_eq!((world.available(), world.pods().filter(|pod| pod.ready).count()), (2, 2));
}

#[test]
fn a_dead_kubelet_stops_nothing_and_its_pods_are_given_up_after_five_minutes() {
    let mut world = world(&[("a", 2)], vec![deployment("web", 2)]);
    let pod = pods(&world, "web")[0].clone();
    world.act(&Act::KubeletDead(pod.node.clone().unwrap()));
    evict(&mut world, &pod.id);
    wait(&mut world, seconds(41));
    let dead = node(&world, pod.node.as_ref().unwrap());
    assert_eq!(dead.ready, Readiness::Unknown);
    wait(&mut world, seconds(600));
    assert!(world.pods().any(|known| known.id == pod.id), "only the kubelet could say that it is gone");
    assert_eq!(pods(&world, "web").iter().filter(|pod| pod.ready).count(), 2);
    terminate(&mut world, &dead.name);
    wait(&mut world, seconds(60));
    assert!(!world.pods().any(|known| known.id == pod.id));
}

#[test]
fn who_cordoned_and_who_uncordoned_is_on_record() {
    let mut world = world(&[("a", 3)], Vec::new());
    let name = world.nodes().next().unwrap().name.clone();
    world.act(&Act::Cordon(name.clone()));
    let uncordon = NodePatch { unschedulable: Some(false), ..NodePatch::default() };
    world.apply(&Effect::Kube(KubeAct::PatchNode(name.clone(), uncordon)));
    let facts = world.facts();
    assert_eq!((facts.cordons[0].by, facts.cordons[0].available), (Actor::Admin, 2));
    assert_eq!((facts.uncordons[0].by, facts.uncordons[0].cordoned_by), (Actor::Client, Some(Actor::Admin)));
    assert_eq!(facts.max_cordoned, 1);
}

#[test]
fn nothing_of_ours_is_written_where_nobody_wrote_it() {
    let world = World::new(shop(), 1);
    assert!(world.nodes().all(|node| node.marks.is_empty() && !node.labels.keys().any(|k| k.starts_with(key::PREFIX))));
    assert!(world.intent().is_none());
}

#[test]
fn a_small_world_is_rolled_in_a_few_milliseconds() {
    let workloads = (0..6).map(|index| {
        let mut web = deployment(&format!("web-{index}"), 5);
        web.budgets = vec![max_unavailable(1)];
        web
    });
    let began = std::time::Instant::now();
    let mut spec = WorldSpec::with_old_nodes(&[("a", 2), ("b", 2), ("c", 2)]);
    spec.workloads = workloads.collect();
    for seed in 0..20 {
        roll_naively(&mut World::new(spec.clone(), seed), seconds(4 * 3600)).unwrap();
    }
    let each = began.elapsed() / 20;
    eprintln!("six nodes and thirty pods: {each:?}");
    assert!(each < Duration::from_millis(100), "{each:?}");
}
