//! L14: what kube 5.0.0 does by itself and our adapter must not: repeat a refused eviction, lose its preconditions.

use std::time::{Duration, Instant};

use mngup::{
    adapters::k8s::{Connection, KubeCluster, Scope},
    domain::{GroupName, PodRef, Uid},
    ports::{Cluster, KubeAct, Outcome, Refusal},
};

use crate::support::aws::World;
use crate::support::facts::pods_of;
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions, eventually};

#[test]
fn l14_a_refused_eviction_comes_back_at_once_and_another_pod_of_the_name_is_left_alone() {
    let workloads =
        all([deployment("ledger", 1).yaml(), pdb("ledger", "minAvailable: 1"), deployment("cart", 1).yaml()]);
    let Some(bed) = Bed::start(BedOptions { world: World { old: 1, ..World::default() }, workloads }) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _here = runtime.enter();
    let kubeconfig = bed.plane.admin_kubeconfig();
    let connection = runtime.block_on(Connection::from_kubeconfig(Some(&kubeconfig), None)).unwrap();
    let scope = Scope { group: GroupName::Nodegroup("workers".into()), state_namespace: "kube-system".into() };
    let cluster = KubeCluster::new(connection, scope);
    let evict = |pod: &str, uid: &str| {
        let pod = PodRef { namespace: "default".into(), name: pod.into(), uid: Uid::new(uid) };
        let began = Instant::now();
        (runtime.block_on(cluster.act(&KubeAct::Evict { pod, grace: None })), began.elapsed())
    };
    let sent = |pod: &str| {
        let mut entries = bed.plane.audit();
        entries.retain(|entry| entry.subresource == "eviction" && entry.name == pod);
        entries.into_iter().map(|entry| entry.code).collect::<Vec<_>>()
    };

    let (ledger, (uid, _)) = pods_of(&bed, "ledger").pop_first().unwrap();
    let (outcome, took) = evict(&ledger, &uid);
    let Outcome::Refused(Refusal::Budget { causes }) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(causes.as_slice(), ["The disruption budget ledger needs 1 healthy pods and has 1 currently"]);
    assert!(took < Duration::from_secs(1), "after {took:?}");
    eventually(Duration::from_secs(10), "the audit log has it", || (!sent(&ledger).is_empty()).then_some(()));
    assert_eq!(sent(&ledger), [429], "sent once");

    // A pod of this name, but not the one that was meant.
    let (cart, (uid, _)) = pods_of(&bed, "cart").pop_first().unwrap();
    let (outcome, took) = evict(&cart, "00000000-0000-4000-8000-000000000000");
    assert!(matches!(outcome, Outcome::Refused(Refusal::Conflict { .. })), "{outcome:?} after {took:?}");
    assert_eq!(pods_of(&bed, "cart")[&cart].0, uid, "it is still there");
    assert!(bed.get(&format!("pod/{cart}"))["metadata"]["deletionTimestamp"].is_null());
    let (outcome, _) = evict(&cart, &uid);
    assert_eq!(outcome, Outcome::Done);
}
