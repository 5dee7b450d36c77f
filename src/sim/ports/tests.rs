//! What the ports make of a world.

use super::*;
use crate::{
    domain::{Gap, NodePatch, PodRef, Snapshot, Uid},
    ports::Refusal,
    sim::{WorldSpec, spec::WorkloadKind, spec::WorkloadSpec},
};

fn sim(speed: f64) -> Sim {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 2)]);
    spec.workloads = vec![WorkloadSpec { replicas: 4, ..WorkloadSpec::new(WorkloadKind::Deployment, "web") }];
    Sim::new(World::new(spec, 1), speed)
}

fn user(name: &str) -> Operator {
    Operator { user: name.to_owned(), host: "laptop".to_owned() }
}

async fn until(cluster: &SimCluster, snapshot: &mut Snapshot, enough: impl Fn(&Snapshot) -> bool) {
    while !enough(snapshot) {
        for change in cluster.changes().await.unwrap() {
            snapshot.apply(change);
        }
    }
}

#[tokio::test]
async fn a_node_is_rolled_through_the_ports_alone() {
    let sim = sim(2000.0);
    let (cluster, cloud) = (sim.cluster(), sim.cloud());
    let mut snapshot = Snapshot::default();
    until(&cluster, &mut snapshot, |s| s.gaps().iter().all(|gap| *gap == Gap::Group)).await;
    let node = snapshot.nodes().values().next().unwrap().clone();
    let watch = Watch { pods_on: [node.name.clone()].into(), ..Watch::default() };
    cluster.watch(&watch);
    let cordon = NodePatch { unschedulable: Some(true), ..NodePatch::default() };
    assert_eq!(cluster.act(&KubeAct::PatchNode(node.name.clone(), cordon)).await, Outcome::Done);
    until(&cluster, &mut snapshot, |s| s.knows_pods_of(&node.name)).await;
    let pods: Vec<PodRef> = snapshot.pods_on(&node.name).map(|pod| pod.id.clone()).collect();
    assert_eq!(pods.len(), 2);
    for pod in pods {
        assert_eq!(cluster.act(&KubeAct::Evict { pod, grace: None }).await, Outcome::Done);
    }
    until(&cluster, &mut snapshot, |s| s.pods_on(&node.name).count() == 0).await;
    let instance = node.instance.clone().unwrap();
    assert!(cluster.without_node(&[instance.clone()].into()).await.unwrap().is_empty());
    let terminate = CloudAct::Terminate { instance: instance.clone(), decrement: false };
    assert_eq!(cloud.act(&terminate).await, Outcome::Done);
    until(&cluster, &mut snapshot, |s| {
        s.node(&node.name).is_none() && s.nodes().values().filter(|node| node.is_ready()).count() == 2
    })
    .await;
    let group = cloud.read(true).await.unwrap();
    assert!(!group.instances.contains_key(&instance) && !group.activities.is_empty());
    assert_eq!(sim.look(|world| world.facts().killed_by_client().count()), 0);
}

#[tokio::test]
async fn time_runs_as_fast_as_it_is_told() {
    let clock = sim(10_000.0).clock();
    let (virtual_start, real_start) = (clock.now(), std::time::Instant::now());
    clock.sleep_until(later(virtual_start, Duration::from_mins(10))).await;
    assert!(elapsed(virtual_start, clock.now()) >= Duration::from_mins(10));
    assert!(real_start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn waiting_for_changes_may_be_given_up_and_misses_nothing() {
    let sim = sim(1.0);
    let cluster = sim.cluster();
    let mut snapshot = Snapshot::default();
    until(&cluster, &mut snapshot, |s| !s.nodes().is_empty()).await;
    let wait = tokio::time::timeout(Duration::from_millis(20), cluster.changes()).await;
    assert!(wait.is_err(), "nothing happens by itself");
    let name = snapshot.nodes().keys().next().unwrap().clone();
    sim.change(|world| world.act(&crate::sim::Act::Cordon(name.clone())));
    let changes = cluster.changes().await.unwrap();
    assert!(matches!(&changes[..], [Change::Node(node)] if node.name == name && node.unschedulable));
}

#[tokio::test]
async fn one_holds_the_lock_until_it_is_given_back_or_runs_out() {
    let sim = sim(10_000.0);
    let (one, two) = (sim.lock(user("ann")), sim.lock(user("bob")));
    one.acquire().await.unwrap();
    let Err(LockError::Held { holder, .. }) = two.acquire().await else { panic!("ann has it") };
    assert_eq!(holder.user, "ann");
    one.release().await;
    two.acquire().await.unwrap();
    assert!(one.renew().await.is_err());
    let clock = sim.clock();
    clock.sleep_until(later(clock.now(), Duration::from_secs(31))).await;
    one.acquire().await.unwrap();
}

#[tokio::test]
async fn what_is_gone_is_refused_as_such() {
    let sim = sim(1.0);
    let pod = PodRef { namespace: "default".to_owned(), name: "web".to_owned(), uid: Uid::new("none") };
    let answer = sim.cluster().act(&KubeAct::Evict { pod, grace: None }).await;
    assert_eq!(answer, Outcome::Refused(Refusal::Gone));
    assert_eq!(sim.cluster().intent().await.unwrap(), None);
}
