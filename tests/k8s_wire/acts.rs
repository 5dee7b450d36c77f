//! What acts send.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mngup::{
    domain::{NodeMark, NodePatch, PodRef, RunId},
    ports::{Cluster, KubeAct, Outcome, Refusal},
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::server::{Reply, Server, connect, event, list, node, quiet, scope, status, until};

pub(crate) fn cart() -> PodRef {
    PodRef { namespace: "shop".to_owned(), name: "cart-1".to_owned(), uid: "u-1".into() }
}

pub(crate) fn evict(grace: Option<u32>) -> KubeAct {
    KubeAct::Evict { pod: cart(), grace }
}

const EVICTION: &str = "POST /api/v1/namespaces/shop/pods/cart-1/eviction";
const NODE: &str = "PATCH /api/v1/nodes/n1";

fn created() -> Reply {
    Reply::Json(201, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201 }))
}

#[tokio::test]
async fn an_eviction_carries_the_uid_and_the_grace_only_when_it_is_overridden() {
    let server = Server::start(|_| created()).await;
    let cluster = server.cluster();
    assert_eq!(cluster.act(&evict(None)).await, Outcome::Done);
    assert_eq!(cluster.act(&evict(Some(5))).await, Outcome::Done);
    let sent = server.of(EVICTION);
    let expected = |options: Value| {
        json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": "cart-1", "namespace": "shop" },
            "deleteOptions": options,
        })
    };
    assert_eq!(sent[0].json(), expected(json!({ "preconditions": { "uid": "u-1" } })));
    assert_eq!(sent[1].json(), expected(json!({ "preconditions": { "uid": "u-1" }, "gracePeriodSeconds": 5 })));
    assert_eq!(server.log().len(), 2);
    assert_eq!(sent[0].header("user-agent"), concat!("mngup/", env!("CARGO_PKG_VERSION")));
    assert_eq!(sent[0].header("authorization"), "Bearer the-token");
}

#[tokio::test]
async fn a_refused_eviction_comes_back_at_once_and_is_not_sent_again() {
    let server = Server::start(|_| {
        let causes = json!({ "causes": [{ "reason": "DisruptionBudget", "message": "needs 3 healthy pods" }] });
        Reply::Json(429, status(429, "TooManyRequests", "Cannot evict pod", causes))
    })
    .await;
    let began = Instant::now();
    let outcome = server.cluster().act(&evict(None)).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(outcome, Outcome::Refused(Refusal::Budget { causes: vec!["needs 3 healthy pods".to_owned()] }));
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn a_deletion_carries_the_uid_too() {
    let server = Server::start(|_| Reply::Json(200, crate::server::pod("cart-1", "u-1", 2))).await;
    let act = KubeAct::DeletePod { pod: cart(), grace: Some(0) };
    assert_eq!(server.cluster().act(&act).await, Outcome::Done);
    let sent = &server.of("DELETE /api/v1/namespaces/shop/pods/cart-1")[0];
    assert_eq!(sent.json(), json!({ "preconditions": { "uid": "u-1" }, "gracePeriodSeconds": 0 }));
}

/// A cordon that will be taken for ours.
fn cordon() -> KubeAct {
    let patch = NodePatch {
        unschedulable: Some(true),
        excluded: Some(true),
        marks: vec![NodeMark::Run(RunId::new("r1")), NodeMark::Cordoned],
        ..NodePatch::default()
    };
    KubeAct::PatchNode("n1".into(), patch)
}

fn cordoned(version: u32) -> Value {
    let mut node = node("n1", version);
    node["spec"]["unschedulable"] = true.into();
    node
}

fn modified() -> Reply {
    Reply::Json(409, status(409, "Conflict", "the object has been modified", Value::Null))
}

#[tokio::test]
async fn a_cordon_its_label_and_what_is_remembered_of_it_are_one_request() {
    let server = Server::start(move |seen| match seen.line().as_str() {
        "GET /api/v1/nodes" if !seen.is_watch() => list("7", &[node("n1", 7)]),
        NODE => Reply::Json(200, node("n1", 8)),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
    assert_eq!(cluster.act(&cordon()).await, Outcome::Done);
    let sent = server.of(NODE);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("content-type"), "application/merge-patch+json");
    let expected = json!({
        "metadata": {
            "resourceVersion": "7",
            "labels": { "node.kubernetes.io/exclude-from-external-load-balancers": "true" },
            "annotations": { "mngup.dev/run": "r1", "mngup.dev/cordoned": "true" },
        },
        "spec": { "unschedulable": true },
    });
    assert_eq!(sent[0].json(), expected);
    assert_eq!(server.of("GET /api/v1/nodes/n1").len(), 0);
}

#[tokio::test]
async fn a_cordon_that_somebody_else_got_in_before_is_never_taken_for_ours() {
    // Not seen yet: the server says that the Node is another by now.
    let server = Server::start(move |seen| match seen.line().as_str() {
        "GET /api/v1/nodes" if !seen.is_watch() => list("7", &[node("n1", 7)]),
        "GET /api/v1/nodes/n1" => Reply::Json(200, cordoned(8)),
        NODE => modified(),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
    let message = "node/n1 was cordoned by somebody else meanwhile".to_owned();
    let refused = Outcome::Refused(Refusal::Conflict { message });
    assert_eq!(cluster.act(&cordon()).await, refused);
    assert_eq!(server.of(NODE).len(), 1);

    // Seen by the watch, and not by whoever decided: nothing is sent.
    let server = Server::start(move |seen| match seen.line().as_str() {
        "GET /api/v1/nodes" if !seen.is_watch() => list("8", &[cordoned(8)]),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
    assert_eq!(cluster.act(&cordon()).await, refused);
    assert_eq!(server.of(NODE).len(), 0);
}

#[tokio::test]
async fn a_cordon_goes_past_the_kubelets_writes_and_over_one_of_our_own_whose_answer_was_lost() {
    for ours in [false, true] {
        let patches = AtomicUsize::new(0);
        let server = Server::start(move |seen| match seen.line().as_str() {
            "GET /api/v1/nodes" if !seen.is_watch() => list("7", &[node("n1", 7)]),
            "GET /api/v1/nodes/n1" if ours => {
                let mut node = cordoned(9);
                node["metadata"]["annotations"] = json!({ "mngup.dev/cordoned": "true" });
                Reply::Json(200, node)
            }
            "GET /api/v1/nodes/n1" => Reply::Json(200, node("n1", 9)),
            NODE if patches.fetch_add(1, Ordering::SeqCst) == 0 => modified(),
            NODE => Reply::Json(200, cordoned(10)),
            _ => quiet(seen),
        })
        .await;
        let cluster = server.cluster();
        until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
        assert_eq!(cluster.act(&cordon()).await, Outcome::Done);
        let versions: Vec<_> =
            server.of(NODE).iter().map(|seen| seen.json()["metadata"]["resourceVersion"].clone()).collect();
        assert_eq!(versions, ["7", "9"]);
    }
}

#[tokio::test]
async fn giving_a_node_back_takes_everything_away_by_null() {
    let server = Server::start(|_| Reply::Json(200, node("n1", 2))).await;
    let patch = NodePatch {
        unschedulable: Some(false),
        excluded: Some(false),
        unmark: BTreeSet::from(["mngup.dev/run".to_owned()]),
        ..NodePatch::default()
    };
    assert_eq!(server.cluster().act(&KubeAct::PatchNode("n1".into(), patch)).await, Outcome::Done);
    let expected = json!({
        "metadata": {
            "labels": { "node.kubernetes.io/exclude-from-external-load-balancers": null },
            "annotations": { "mngup.dev/run": null },
        },
        "spec": { "unschedulable": false },
    });
    assert_eq!(server.of(NODE)[0].json(), expected);
}

fn tainted(version: u32, taints: &Value) -> Value {
    let mut node = node("n1", version);
    node["spec"]["taints"] = taints.clone();
    node
}

fn soft_taint(wanted: bool) -> KubeAct {
    KubeAct::PatchNode("n1".into(), NodePatch { pending_taint: Some(wanted), ..NodePatch::default() })
}

#[tokio::test]
async fn a_taint_is_put_among_the_others_from_what_the_watch_showed() {
    let gpu = json!({ "key": "gpu", "value": "yes", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z" });
    let first = json!([gpu]);
    let server = Server::start(move |seen| match seen.line().as_str() {
        "GET /api/v1/nodes" if !seen.is_watch() => list("7", &[tainted(7, &first)]),
        NODE => {
            let mut node = tainted(8, &seen.json()["spec"]["taints"]);
            node["metadata"]["resourceVersion"] = "8".into();
            Reply::Json(200, node)
        }
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
    assert_eq!(cluster.act(&soft_taint(true)).await, Outcome::Done);
    // As it is already, by the answer to the first: nothing is sent.
    assert_eq!(cluster.act(&soft_taint(true)).await, Outcome::Done);
    let sent = server.of(NODE);
    assert_eq!(sent.len(), 1);
    let ours = json!({ "key": "mngup.dev/pending-upgrade", "effect": "PreferNoSchedule" });
    let expected = json!({ "metadata": { "resourceVersion": "7" }, "spec": { "taints": [gpu, ours] } });
    assert_eq!(sent[0].json(), expected);
    // And away again, over the version that the answer brought.
    assert_eq!(cluster.act(&soft_taint(false)).await, Outcome::Done);
    let expected = json!({ "metadata": { "resourceVersion": "8" }, "spec": { "taints": [gpu] } });
    assert_eq!(server.of(NODE)[1].json(), expected);
    assert_eq!(server.of("GET /api/v1/nodes/n1").len(), 0);
}

#[tokio::test]
async fn a_taint_that_another_writer_got_in_between_is_kept() {
    let theirs = json!({ "key": "theirs", "effect": "NoExecute" });
    let after = json!([theirs]);
    let patches = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.line().as_str() {
        "GET /api/v1/nodes/n1" => Reply::Json(200, tainted(9, &after)),
        "GET /api/v1/nodes" if !seen.is_watch() => list("7", &[node("n1", 7)]),
        NODE if patches.fetch_add(1, Ordering::SeqCst) == 0 => modified(),
        NODE => Reply::Json(200, node("n1", 10)),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
    assert_eq!(cluster.act(&soft_taint(true)).await, Outcome::Done);
    let sent = server.of(NODE);
    assert_eq!(sent[0].json()["metadata"]["resourceVersion"], "7");
    assert_eq!(sent[1].json()["metadata"]["resourceVersion"], "9");
    assert_eq!(sent[1].json()["spec"]["taints"][0], theirs);
    assert_eq!(sent.len(), 2);
}

#[tokio::test]
async fn a_node_that_is_gone_is_no_failure() {
    let server =
        Server::start(|_| Reply::Json(404, status(404, "NotFound", "nodes \"n1\" not found", Value::Null))).await;
    let cluster = server.cluster();
    let cordon = NodePatch { unschedulable: Some(true), ..NodePatch::default() };
    for act in [KubeAct::PatchNode("n1".into(), cordon), soft_taint(true)] {
        assert_eq!(cluster.act(&act).await, Outcome::Refused(Refusal::Gone));
    }
}

#[tokio::test]
async fn a_request_that_never_left_is_refused_and_one_without_an_answer_is_unknown() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let cluster = mngup::adapters::k8s::KubeCluster::new(connect(&url), scope());
    let outcome = cluster.act(&evict(None)).await;
    assert!(matches!(&outcome, Outcome::Refused(Refusal::Failed { code: 0, .. })), "{outcome:?}");

    let hangs_up = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", hangs_up.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = hangs_up.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let _ = socket.read(&mut bytes).await;
        }
    });
    let cluster = mngup::adapters::k8s::KubeCluster::new(connect(&url), scope());
    let outcome = cluster.act(&evict(None)).await;
    assert!(matches!(&outcome, Outcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn evictions_go_together_but_not_by_the_hundred() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, highest) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |_| {
        highest.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Reply::After(Duration::from_millis(150), Box::new(created()))
    })
    .await;
    let cluster = server.cluster();
    let act = evict(None);
    let all = (0..120).map(|_| async {
        let outcome = cluster.act(&act).await;
        now.fetch_sub(1, Ordering::SeqCst);
        outcome
    });
    assert!(futures::future::join_all(all).await.iter().all(|outcome| *outcome == Outcome::Done));
    let most = most.load(Ordering::SeqCst);
    assert!((20..=50).contains(&most), "{most} at once");
}

#[tokio::test]
async fn an_event_of_the_watch_does_not_undo_what_a_newer_answer_said() {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let told = std::sync::Mutex::new(Some(told));
    let server = Server::start(move |seen| match seen.line().as_str() {
        "GET /api/v1/nodes" if !seen.is_watch() => list("7", &[node("n1", 7)]),
        "GET /api/v1/nodes" => match told.lock().unwrap().take() {
            Some(told) => Reply::Watch(Vec::new(), told),
            None => Reply::Hold(Vec::new()),
        },
        NODE => Reply::Json(200, tainted(20, &seen.json()["spec"]["taints"])),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(_))).await;
    assert_eq!(cluster.act(&soft_taint(true)).await, Outcome::Done);
    // Written before our patch, heard after its answer.
    tell.send(Ok(event("MODIFIED", &node("n1", 12)))).unwrap();
    until(&cluster, |change| matches!(change, mngup::domain::Change::Node(node) if node.labels["version"] == "12"))
        .await;
    assert_eq!(cluster.act(&soft_taint(false)).await, Outcome::Done);
    let expected = json!({ "metadata": { "resourceVersion": "20" }, "spec": { "taints": null } });
    assert_eq!(server.of(NODE)[1].json(), expected);
}
