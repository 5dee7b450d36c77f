//! What a client sees, and in what order.

use super::*;
use crate::{
    domain::{Change, Gap, Lifecycle, Snapshot},
    ports::Watch,
    sim::spec::{Fault, FaultKind},
};

fn snapshot(changes: Vec<Change>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for change in changes {
        snapshot.apply(change);
    }
    snapshot
}

fn shop() -> World {
    let mut web = deployment("web", 4);
    web.budgets = vec![max_unavailable(1)];
    world(&[("a", 2), ("b", 2)], vec![web, WorkloadSpec::new(WorkloadKind::DaemonSet, "agent")])
}

#[test]
fn lists_come_first_and_then_nothing_until_something_changes() {
    let mut world = shop();
    let (mut observer, watch) = (Observer::new(), Watch::default());
    let snapshot = snapshot(world.observe(&mut observer, &watch));
    assert!(snapshot.gaps().is_empty());
    assert_eq!((snapshot.nodes().len(), snapshot.pdbs().len()), (4, 1));
    let group = snapshot.group().unwrap();
    assert_eq!((group.observed_at, group.instances.len()), (world.now(), 4));
    assert!(group.instances.values().all(|instance| instance.lifecycle == Lifecycle::InService && !instance.no_node));
    assert!(world.observe(&mut observer, &watch).is_empty());
    assert!(!world.has_news(&observer, &watch));
}

#[test]
fn pods_are_seen_on_watched_nodes_only() {
    let mut world = shop();
    let (mut observer, mut watch) = (Observer::new(), Watch::default());
    let mut snapshot = snapshot(world.observe(&mut observer, &watch));
    let pod = first_pod(&world, "web");
    let name = world.pods().find(|known| known.id == pod).unwrap().node.clone().unwrap();
    watch.pods_on.insert(name.clone());
    assert!(world.has_news(&observer, &watch));
    let changes = world.observe(&mut observer, &watch);
    assert_eq!(changes.last(), Some(&Change::PodsListed(name.clone())));
    for change in changes {
        snapshot.apply(change);
    }
    assert_eq!(snapshot.pods_on(&name).count(), 2);
    assert_eq!(snapshot.budgets_of(&pod.uid).len(), 1);

    evict(&mut world, &pod);
    assert!(world.has_news(&observer, &watch));
    let changes = world.observe(&mut observer, &watch);
    assert!(changes.iter().any(|change| matches!(change, Change::Pod(seen) if seen.deletion.is_some())));
    assert!(changes.iter().any(|change| matches!(change, Change::Pdb(seen) if seen.status.allowed == 0)));
    wait(&mut world, seconds(5));
    let changes = world.observe(&mut observer, &watch);
    assert!(changes.contains(&Change::PodGone(pod.uid)));
    watch.pods_on.clear();
    assert_eq!(world.observe(&mut observer, &watch), [Change::PodsUnwatched(name)]);
}

#[test]
fn pods_of_a_blocking_budget_are_read_while_it_is_watched() {
    let mut world = shop();
    let (mut observer, mut watch) = (Observer::new(), Watch::default());
    world.observe(&mut observer, &watch);
    let id = world.budgets().next().unwrap().id.clone();
    watch.pods_of.insert(id.clone());
    let read = |changes: &[Change]| {
        changes.iter().find_map(|change| {
            if let Change::PdbPods(seen, pods) = change { (*seen == id).then_some(pods.len()) } else { None }
        })
    };
    assert_eq!(read(&world.observe(&mut observer, &watch)), Some(4));
    assert_eq!(read(&world.observe(&mut observer, &watch)), None);
    let pod = first_pod(&world, "web");
    evict(&mut world, &pod);
    assert_eq!(read(&world.observe(&mut observer, &watch)), Some(5));
}

#[test]
fn a_group_that_does_not_change_is_read_again_after_a_while() {
    let mut world = shop();
    let (mut observer, mut watch) = (Observer::new(), Watch::default());
    world.observe(&mut observer, &watch);
    wait(&mut world, seconds(4));
    assert!(world.observe(&mut observer, &watch).is_empty());
    wait(&mut world, seconds(1));
    assert!(
        matches!(&world.observe(&mut observer, &watch)[..], [Change::Group(group)] if group.observed_at == world.now())
    );
    watch.activities = true;
    assert!(matches!(&world.observe(&mut observer, &watch)[..], [Change::Group(_)]));
}

#[test]
fn two_clients_do_not_disturb_each_other_and_a_new_one_begins_afresh() {
    let mut world = shop();
    let watch = Watch::default();
    let (mut one, mut two) = (Observer::new(), Observer::new());
    world.observe(&mut one, &watch);
    let name = world.nodes().next().unwrap().name.clone();
    cordon(&mut world, &name);
    let seen = world.observe(&mut one, &watch);
    assert!(matches!(&seen[..], [Change::Node(node)] if node.unschedulable));
    let snapshot = snapshot(world.observe(&mut two, &watch));
    assert!(snapshot.node(&name).unwrap().unschedulable);
    assert!(snapshot.gaps().is_empty() && !snapshot.gaps().contains(&Gap::Nodes));
}

#[test]
fn an_instance_that_never_becomes_a_node_is_reported_as_such() {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 2)]);
    spec.faults = vec![Fault { at: seconds(0), what: FaultKind::NeverJoin { lasts: None } }];
    let mut world = World::new(spec, 1);
    let (mut observer, watch) = (Observer::new(), Watch::default());
    world.observe(&mut observer, &watch);
    let name = world.nodes().next().unwrap().name.clone();
    terminate(&mut world, &name);
    wait(&mut world, seconds(75));
    assert!(world.describe_group(false).instances.values().all(|instance| !instance.no_node));
    wait(&mut world, seconds(10));
    let group = world.describe_group(false);
    assert_eq!(group.instances.values().filter(|instance| instance.no_node).count(), 1);
    assert!(world.has_news(&observer, &watch));
}

#[test]
fn a_removed_node_is_gone_and_its_pods_with_it() {
    let mut world = shop();
    let (mut observer, mut watch) = (Observer::new(), Watch::default());
    let name = world.nodes().next().unwrap().name.clone();
    watch.pods_on.insert(name.clone());
    let mut snapshot = snapshot(world.observe(&mut observer, &watch));
    terminate(&mut world, &name);
    wait(&mut world, seconds(60));
    for change in world.observe(&mut observer, &watch) {
        snapshot.apply(change);
    }
    assert!(snapshot.node(&name).is_none());
    assert_eq!(snapshot.pods_on(&name).count(), 0);
}
