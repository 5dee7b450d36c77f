//! What is listed and watched, and what that costs.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mngup::{
    adapters::k8s::{KubeCluster, Pace, Scope},
    domain::{Change, Gap, GroupName, InstanceId, NodeName, PdbRef},
    ports::{Cluster, Watch},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::server::{Reply, Seen, Server, all_sent, event, eventually, list, node, pod, quiet, status, until};

pub(super) const NODES: &str = "GET /api/v1/nodes";
pub(super) const PODS: &str = "GET /api/v1/pods";

pub(super) fn seen_node(change: &Change, version: u32) -> bool {
    matches!(change, Change::Node(node) if node.labels["version"] == version.to_string())
}

pub(super) fn on(nodes: &[&str]) -> Watch {
    Watch { pods_on: nodes.iter().map(|node| NodeName::new(*node)).collect(), ..Watch::default() }
}

pub(super) fn lists(server: &Server, line: &str) -> usize {
    server.of(line).iter().filter(|seen| !seen.is_watch()).count()
}

/// Watches that begin where something else ended.
pub(super) fn watches(server: &Server, line: &str) -> Vec<Seen> {
    server.of(line).into_iter().filter(|seen| seen.is_watch() && !seen.is_stream()).collect()
}

pub(super) fn streams(server: &Server) -> usize {
    server.of(PODS).iter().filter(|seen| seen.is_stream()).count()
}

/// Everything that the adapter asks for in the beginning has been answered.
pub(super) async fn all_listed(cluster: &KubeCluster) -> Vec<Change> {
    let mut all = until(cluster, |change| *change == Change::Listed(Gap::Nodes)).await;
    for gap in [Gap::Pdbs, Gap::DaemonSets] {
        if !all.contains(&Change::Listed(gap)) {
            all.extend(until(cluster, |change| *change == Change::Listed(gap)).await);
        }
    }
    all
}

#[tokio::test]
async fn the_beginning_is_one_list_and_one_watch_a_kind_whatever_the_size_of_the_cluster() {
    let volume = json!({ "metadata": { "name": "pv" }, "spec": { "nodeAffinity": { "required": {
        "nodeSelectorTerms": [{ "matchExpressions": [
            { "key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-west-1a"] },
        ] }],
    } } } });
    let server = Server::start(move |seen| match seen.line().as_str() {
        NODES if !seen.is_watch() => list("7", &[node("n1", 7)]),
        "GET /api/v1/persistentvolumes" => list("7", std::slice::from_ref(&volume)),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    let changes = all_listed(&cluster).await;
    let place = |wanted: &Change| changes.iter().position(|change| change == wanted).unwrap();
    let zones = Change::ZonalVolumes(BTreeSet::from(["eu-west-1a".into()]));
    assert!(place(&zones) < place(&Change::Listed(Gap::Nodes)), "zones of volumes are known when the nodes are");

    eventually("three watches", || server.log().iter().filter(|seen| seen.is_watch()).count() == 3).await;
    let mut lines: Vec<_> = server
        .log()
        .iter()
        .map(|seen| format!("{}{}", seen.path, if seen.is_watch() { " watch" } else { "" }))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "/api/v1/nodes",
            "/api/v1/nodes watch",
            "/api/v1/persistentvolumes",
            "/apis/apps/v1/daemonsets",
            "/apis/apps/v1/daemonsets watch",
            "/apis/policy/v1/poddisruptionbudgets",
            "/apis/policy/v1/poddisruptionbudgets watch",
        ]
    );
    for seen in server.log() {
        assert_eq!(seen.header("user-agent"), concat!("mngup/", env!("CARGO_PKG_VERSION")), "{}", seen.line());
        assert_eq!(seen.param("limit"), if seen.is_watch() { "" } else { "500" });
    }
    let watch = &watches(&server, NODES)[0];
    assert_eq!(watch.param("labelSelector"), "eks.amazonaws.com/nodegroup=shop");
    assert_eq!(watch.param("resourceVersion"), "7");
    assert_eq!(watch.param("timeoutSeconds"), "290");
    assert_eq!(watch.param("allowWatchBookmarks"), "true");
}

#[tokio::test]
async fn a_self_managed_group_looks_at_nodes_that_no_other_kind_has_claimed() {
    let server = Server::start(quiet).await;
    let scope = Scope { group: GroupName::Asg("workers".into()), state_namespace: "kube-system".to_owned() };
    let cluster = KubeCluster::new(server.connect(), scope);
    all_listed(&cluster).await;
    let expected = "!eks.amazonaws.com/nodegroup,!karpenter.sh/nodepool,\
                    eks.amazonaws.com/compute-type notin (auto,fargate,hybrid)";
    assert_eq!(server.of(NODES)[0].param("labelSelector"), expected);
}

#[tokio::test]
async fn lists_are_read_page_by_page_and_begun_again_when_the_pages_expire() {
    let expire = AtomicBool::new(true);
    let server = Server::start(move |seen| match (seen.line().as_str(), seen.param("continue")) {
        (NODES, "") if !seen.is_watch() => {
            let metadata = json!({ "resourceVersion": "7", "continue": "more" });
            Reply::Json(
                200,
                json!({ "kind": "NodeList", "apiVersion": "v1", "metadata": metadata, "items": [node("n1", 1)] }),
            )
        }
        (NODES, "more") if expire.swap(false, Ordering::SeqCst) => {
            Reply::Json(410, status(410, "Expired", "the continue token is too old", Value::Null))
        }
        (NODES, "more") => list("7", &[node("n2", 2)]),
        _ => quiet(seen),
    })
    .await;
    let changes = all_listed(&server.cluster()).await;
    let names: Vec<_> = changes
        .iter()
        .filter_map(|change| if let Change::Node(node) = change { Some(node.name.to_string()) } else { None })
        .collect();
    assert_eq!(names, ["n1", "n2"]);
    assert_eq!(lists(&server, NODES), 4);
}

#[tokio::test]
async fn without_streamed_lists_the_pods_of_a_wanted_node_cost_one_list_and_one_watch() {
    let (tell, told) = mpsc::unbounded_channel();
    let told = Mutex::new(Some(told));
    let server = Server::start(move |seen| match seen.line().as_str() {
        PODS if seen.is_watch() => match told.lock().unwrap().take() {
            Some(told) => Reply::Watch(Vec::new(), told),
            None => Reply::Hold(Vec::new()),
        },
        PODS => list("7", &[pod("cart-1", "u-1", 7), pod("cart-2", "u-2", 7)]),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    cluster.watch(&on(&["n1"]));
    let listed = Change::PodsListed("n1".into());
    let changes = until(&cluster, |change| *change == listed).await;
    assert_eq!(changes.iter().filter(|change| matches!(change, Change::Pod(_))).count(), 2);
    // Wanted again and again, as the engine says it at each step.
    for _ in 0..5 {
        cluster.watch(&on(&["n1"]));
    }
    tell.send(Ok(event("DELETED", &pod("cart-1", "u-1", 8)))).unwrap();
    until(&cluster, |change| *change == Change::PodGone("u-1".into())).await;
    assert_eq!((lists(&server, PODS), watches(&server, PODS).len()), (1, 1));
    assert!(server.of(PODS).iter().all(|seen| seen.param("fieldSelector") == "spec.nodeName=n1"));

    cluster.watch(&on(&[]));
    until(&cluster, |change| *change == Change::PodsUnwatched("n1".into())).await;
    // A node that is wanted again at once is not taken for unwatched afterwards.
    for _ in 0..3 {
        cluster.watch(&on(&["n1"]));
        cluster.watch(&on(&[]));
    }
    cluster.watch(&on(&["n1"]));
    let mut all = until(&cluster, |change| *change == listed).await;
    eventually("the last list", || server.of(PODS).last().is_some_and(Seen::is_watch)).await;
    while let Ok(more) = tokio::time::timeout(Duration::from_millis(300), cluster.changes()).await {
        all.extend(more.unwrap());
    }
    let last = all.iter().rfind(|change| matches!(change, Change::PodsListed(_) | Change::PodsUnwatched(_)));
    assert_eq!(last, Some(&listed));
    assert_eq!(streams(&server), 1, "once refused, streams are not asked for again, for whatever node");
}

#[tokio::test]
async fn the_pods_of_a_wanted_node_cost_one_request() {
    let (tell, told) = mpsc::unbounded_channel();
    let told = Mutex::new(Some(told));
    let server = Server::with_streams(move |seen| {
        let told = (seen.line() == PODS).then(|| told.lock().unwrap().take()).flatten();
        match told {
            Some(told) => Reply::Watch(vec![event("ADDED", &pod("cart-1", "u-1", 7))], told),
            None => quiet(seen),
        }
    })
    .await;
    let cluster = server.cluster();
    cluster.watch(&on(&["n1"]));
    tell.send(Ok(event("ADDED", &pod("cart-2", "u-2", 5)))).unwrap();
    tell.send(Ok(all_sent(9))).unwrap();
    let listed = Change::PodsListed("n1".into());
    let changes = until(&cluster, |change| *change == listed).await;
    assert_eq!(changes.iter().filter(|change| matches!(change, Change::Pod(_))).count(), 2);
    tell.send(Ok(event("DELETED", &pod("cart-1", "u-1", 10)))).unwrap();
    until(&cluster, |change| *change == Change::PodGone("u-1".into())).await;

    let all = server.of(PODS);
    assert_eq!(all.len(), 1);
    let wanted = [
        ("fieldSelector", "spec.nodeName=n1"),
        ("sendInitialEvents", "true"),
        ("resourceVersionMatch", "NotOlderThan"),
        ("allowWatchBookmarks", "true"),
        ("resourceVersion", ""),
    ];
    assert_eq!(wanted.map(|(name, _)| (name, all[0].param(name))), wanted);
    // In order it ends and goes on from the last version, without what there is.
    drop(tell);
    eventually("the next watch", || watches(&server, PODS).iter().any(|seen| seen.param("resourceVersion") == "10"))
        .await;
}

fn pdb(version: u32) -> Value {
    json!({
        "kind": "PodDisruptionBudget", "apiVersion": "policy/v1",
        "metadata": { "namespace": "shop", "name": "cart", "resourceVersion": version.to_string() },
        "spec": { "selector": { "matchLabels": { "app": "cart" } }, "maxUnavailable": 1 },
    })
}

#[tokio::test]
async fn the_pods_of_a_budget_are_looked_at_once_it_blocks_for_a_while() {
    const LOOK: &str = "GET /api/v1/namespaces/shop/pods";
    const PDBS: &str = "GET /apis/policy/v1/poddisruptionbudgets";
    let (tell, told) = mpsc::unbounded_channel();
    let told = Mutex::new(Some(told));
    let server = Server::start(move |seen| match seen.line().as_str() {
        PDBS if seen.is_watch() => match told.lock().unwrap().take() {
            Some(told) => Reply::Watch(Vec::new(), told),
            None => Reply::Hold(Vec::new()),
        },
        PDBS => list("7", &[pdb(7)]),
        LOOK => list("7", &[pod("cart-1", "u-1", 7)]),
        _ => quiet(seen),
    })
    .await;
    let pace =
        Pace { first_look: Duration::from_millis(200), look_again: Duration::from_millis(1500), ..Pace::default() };
    let cluster = server.cluster().with_pace(pace);
    all_listed(&cluster).await;
    let id = PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() };
    let wanted = Watch { pods_of: BTreeSet::from([id.clone()]), ..Watch::default() };
    let looked = |change: &Change| matches!(change, Change::PdbPods(pdb, pods) if *pdb == id && pods.len() == 1);

    // A budget that lets go at once costs nothing.
    cluster.watch(&wanted);
    cluster.watch(&Watch::default());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(server.of(LOOK).len(), 0);

    cluster.watch(&wanted);
    until(&cluster, looked).await;
    assert_eq!(server.of(LOOK)[0].param("labelSelector"), "app in (cart)");
    // When it changes it is looked at sooner than in its turn.
    tell.send(Ok(event("MODIFIED", &pdb(8)))).unwrap();
    let began = std::time::Instant::now();
    until(&cluster, looked).await;
    assert!(began.elapsed() < Duration::from_millis(1200));
    until(&cluster, looked).await;
    cluster.watch(&Watch::default());
    let so_far = server.of(LOOK).len();
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert_eq!(server.of(LOOK).len(), so_far);
}

#[tokio::test]
async fn an_instance_has_a_node_wherever_that_is() {
    let server = Server::start(|seen| match seen.line().as_str() {
        NODES => list("7", &[node("n1", 10), node("n2", 11)]),
        _ => quiet(seen),
    })
    .await;
    let instances = BTreeSet::from(["i-a", "i-b", "i-c"].map(InstanceId::new));
    let lost = server.cluster().without_node(&instances).await.unwrap();
    assert_eq!(lost, BTreeSet::from([InstanceId::new("i-c")]));
    assert_eq!(server.log()[0].param("labelSelector"), "", "all nodes, whatever their labels");
}

#[tokio::test]
async fn dropping_the_view_ends_its_watches() {
    let (tell, told) = mpsc::unbounded_channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let server = Server::start(move |seen| match seen.line().as_str() {
        NODES if seen.is_watch() => match told.lock().unwrap().take() {
            Some(told) => Reply::Watch(Vec::new(), told),
            None => Reply::Hold(Vec::new()),
        },
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    all_listed(&cluster).await;
    eventually("the watch", || !watches(&server, NODES).is_empty()).await;
    drop(cluster);
    eventually("the connection is closed", || tell.is_closed()).await;
}
