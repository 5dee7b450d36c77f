//! Lists and watches that break off, are refused or cannot be read: what is told then, and when the view ends.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use insta::assert_snapshot;
use mngup::{
    adapters::k8s::{KubeCluster, Pace},
    domain::{Change, Gap},
    ports::{Cluster, PortError},
};
use serde_json::{Value, json};

use crate::{
    server::{Reply, Server, all_sent, event, eventually, gone, list, node, pod, quiet, status, until},
    watches::{NODES, PODS, all_listed, lists, on, seen_node, streams, watches},
};

#[tokio::test]
async fn what_disappeared_in_a_gap_is_told_and_what_stayed_is_not_told_again() {
    let round = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.line().as_str() {
        NODES if seen.is_watch() && seen.param("resourceVersion") == "7" => Reply::End(vec![gone()]),
        NODES if !seen.is_watch() => match round.fetch_add(1, Ordering::SeqCst) {
            0 => list("7", &[node("gone", 1), node("stays", 2), node("changes", 3)]),
            _ => list("9", &[node("stays", 2), node("changes", 4)]),
        },
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    let changes = until(&cluster, |change| seen_node(change, 4)).await;
    assert!(changes.contains(&Change::NodeGone("gone".into())));
    assert_eq!(changes.iter().filter(|change| seen_node(change, 2)).count(), 1);
    assert_eq!(changes.iter().filter(|change| **change == Change::Listed(Gap::Nodes)).count(), 1);
    eventually("the next watch", || watches(&server, NODES).iter().any(|seen| seen.param("resourceVersion") == "9"))
        .await;
}

#[tokio::test]
async fn a_broken_connection_goes_on_from_the_last_version_without_a_list() {
    let server = Server::start(|seen| match (seen.line().as_str(), seen.param("resourceVersion")) {
        (NODES, "") => list("7", &[node("n1", 7)]),
        (NODES, "7") => Reply::Cut(vec![event("MODIFIED", &node("n1", 8))]),
        (NODES, "8") => {
            let bookmark = json!({ "kind": "Node", "apiVersion": "v1", "metadata": { "resourceVersion": "30" } });
            Reply::Cut(vec![json!({ "type": "BOOKMARK", "object": bookmark })])
        }
        (NODES, "30") => Reply::End(vec![event("MODIFIED", &node("n1", 31))]),
        (NODES, "31") => Reply::Hold(vec![event("DELETED", &node("n1", 32))]),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    let changes = until(&cluster, |change| *change == Change::NodeGone("n1".into())).await;
    for version in [7, 8, 31] {
        assert!(changes.iter().any(|change| seen_node(change, version)), "{version}");
    }
    assert_eq!(lists(&server, NODES), 1);
}

#[tokio::test]
async fn a_streamed_list_that_breaks_off_tells_nothing_and_is_begun_again() {
    let round = AtomicUsize::new(0);
    let server = Server::with_streams(move |seen| match (seen.line().as_str(), seen.is_stream()) {
        (PODS, true) => match round.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Cut(vec![
                event("ADDED", &pod("old", "u-1", 7)),
                event("ADDED", &pod("stays", "u-2", 7)),
                all_sent(7),
                gone(),
            ]),
            1 => Reply::Cut(vec![event("ADDED", &pod("stays", "u-2", 7))]),
            _ => {
                let now = [pod("stays", "u-2", 7), pod("new", "u-3", 8)].map(|pod| event("ADDED", &pod));
                Reply::Hold(now.into_iter().chain([all_sent(9)]).collect())
            }
        },
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    cluster.watch(&on(&["n1"]));
    let is = |change: &Change, uid: &str| matches!(change, Change::Pod(pod) if pod.id.uid.as_str() == uid);
    let changes = until(&cluster, |change| is(change, "u-3")).await;
    let gone: Vec<_> = changes.iter().filter(|change| matches!(change, Change::PodGone(_))).collect();
    assert_eq!(gone, [&Change::PodGone("u-1".into())]);
    assert_eq!(changes.iter().filter(|change| is(change, "u-2")).count(), 1);
    assert_eq!((streams(&server), lists(&server, PODS)), (3, 0));
}

#[tokio::test]
async fn a_server_that_never_says_that_all_was_sent_is_asked_for_lists() {
    let server = Server::with_streams(|seen| match seen.line().as_str() {
        // Before 1.27 the parameter was unknown, and unknown parameters are passed over.
        PODS if seen.is_watch() => Reply::Hold(vec![event("ADDED", &pod("cart-1", "u-1", 7))]),
        PODS => list("7", &[pod("cart-1", "u-1", 7)]),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster().with_pace(Pace { first_events: Duration::from_millis(200), ..Pace::default() });
    cluster.watch(&on(&["n1"]));
    until(&cluster, |change| *change == Change::PodsListed("n1".into())).await;
    assert_eq!((streams(&server), lists(&server, PODS)), (1, 1));
}

#[tokio::test]
async fn a_pod_that_left_in_a_gap_is_told_by_its_uid() {
    let round = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.line().as_str() {
        PODS if seen.is_watch() && seen.param("resourceVersion") == "7" => {
            Reply::Json(410, status(410, "Expired", "too old", Value::Null))
        }
        PODS if !seen.is_watch() => match round.fetch_add(1, Ordering::SeqCst) {
            0 => list("7", &[pod("db-0", "u-1", 7)]),
            _ => list("9", &[pod("db-0", "u-2", 9)]),
        },
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    cluster.watch(&on(&["n1"]));
    let changes = until(&cluster, |change| matches!(change, Change::Pod(pod) if pod.id.uid.as_str() == "u-2")).await;
    assert!(changes.contains(&Change::PodGone("u-1".into())));
}

#[tokio::test]
async fn a_missing_right_ends_the_view_and_names_verb_and_resource() {
    let server = Server::start(|seen| match seen.line().as_str() {
        "GET /apis/policy/v1/poddisruptionbudgets" => {
            Reply::Json(403, status(403, "Forbidden", "User \"jo\" cannot list", Value::Null))
        }
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    let error = loop {
        match tokio::time::timeout(Duration::from_secs(10), cluster.changes()).await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, PortError::Forbidden { what, .. } if what == "list poddisruptionbudgets"), "{error}");
    assert!(cluster.changes().await.is_err(), "the view has ended");
}

#[tokio::test]
async fn a_server_that_comes_up_again_may_refuse_for_a_moment() {
    let round = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.line().as_str() {
        NODES if seen.is_watch() => match round.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Cut(vec![event("MODIFIED", &node("n1", 8))]),
            1..=4 => Reply::Json(403, status(403, "Forbidden", "clusterrole \"mngup\" not found", Value::Null)),
            _ => Reply::Hold(vec![event("MODIFIED", &node("n1", 9))]),
        },
        _ => quiet(seen),
    })
    .await;
    until(&server.cluster(), |change| seen_node(change, 9)).await;
}

/// A budget that no client of this version can read.
fn strange_budget() -> Value {
    json!({
        "kind": "PodDisruptionBudget", "apiVersion": "policy/v1",
        "metadata": { "namespace": "shop", "name": "cart", "resourceVersion": "9" },
        "spec": { "minAvailable": { "of": "tomorrow" } },
    })
}

/// Takes changes until the view ends, and returns them with what ended it.
async fn until_it_ends(cluster: &KubeCluster) -> (Vec<Change>, String) {
    let mut all = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match cluster.changes().await {
                Ok(changes) => all.extend(changes),
                Err(error) => return error.to_string(),
            }
        }
    });
    let error = ended.await.expect("the view ends");
    (all, error)
}

const BUDGETS: &str = "GET /apis/policy/v1/poddisruptionbudgets";

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_by_name_and_the_list_is_never_complete() {
    let server = Server::start(|seen| match seen.line().as_str() {
        BUDGETS if !seen.is_watch() => list("9", &[strange_budget()]),
        _ => quiet(seen),
    })
    .await;
    let (changes, error) = until_it_ends(&server.cluster()).await;
    let error = error.replace(&server.url, "http://API");
    assert_snapshot!(error, @"answer of http://API to list poddisruptionbudgets: shop/cart cannot be read: invalid type: map, expected IntOrString");
    assert!(!changes.contains(&Change::Listed(Gap::Pdbs)), "{changes:?}");
    assert_eq!(lists(&server, BUDGETS), 5);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_looked_at_by_a_list_and_not_for_ever() {
    let seen_once = AtomicBool::new(false);
    let server = Server::start(move |seen| match seen.line().as_str() {
        BUDGETS if seen.is_watch() => {
            seen_once.store(true, Ordering::SeqCst);
            Reply::Hold(vec![event("MODIFIED", &strange_budget())])
        }
        BUDGETS if seen_once.load(Ordering::SeqCst) => list("9", &[strange_budget()]),
        _ => quiet(seen),
    })
    .await;
    let (changes, error) = until_it_ends(&server.cluster()).await;
    assert!(changes.contains(&Change::Listed(Gap::Pdbs)));
    assert!(error.contains("shop/cart cannot be read"), "{error}");
    assert_eq!(watches(&server, BUDGETS).len(), 1);
}

#[tokio::test]
async fn an_answer_that_was_garbled_once_is_asked_for_again() {
    let garbled = AtomicBool::new(true);
    let server = Server::start(move |seen| match seen.line().as_str() {
        BUDGETS if !seen.is_watch() && garbled.swap(false, Ordering::SeqCst) => {
            Reply::Text(200, &[("content-type", "text/html")], "<html>Please log in to the proxy</html>")
        }
        _ => quiet(seen),
    })
    .await;
    all_listed(&server.cluster()).await;
    assert_eq!(lists(&server, BUDGETS), 2);
}
