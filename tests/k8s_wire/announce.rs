//! Events of ours: what is sent, and that nobody insists.

use std::collections::BTreeSet;

use mngup::{
    domain::{About, Cause, Change, Gap, News, Notice, PdbRef},
    ports::Cluster,
};
use serde_json::{Value, json};

use crate::server::{Reply, Seen, Server, list, quiet, status, until};

fn cart() -> PdbRef {
    PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() }
}

fn notice(about: About, news: News, count: u32) -> Notice {
    let says = "PDB-NEVER-ALLOWS: pdb/shop/cart can never allow an eviction".to_owned();
    let (first, at) = ("2026-01-01T00:00:00.25Z".parse().unwrap(), "2026-01-01T00:05:00.75Z".parse().unwrap());
    Notice { about, cause: Cause::PdbNeverAllows, news, says, count, first, at }
}

fn budgets(seen: &Seen) -> Option<Reply> {
    let metadata = json!({ "namespace": "shop", "name": "cart", "uid": "pdb-1", "resourceVersion": "3" });
    let budget = json!({ "kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": metadata,
        "spec": { "minAvailable": 1 } });
    let lists = seen.line() == "GET /apis/policy/v1/poddisruptionbudgets" && !seen.is_watch();
    lists.then(|| list("3", &[budget]))
}

fn events(server: &Server) -> Vec<Seen> {
    server.log().into_iter().filter(|seen| seen.path.contains("/events/")).collect()
}

#[tokio::test]
async fn an_event_stands_on_the_node_and_on_the_budget_as_kubectl_looks_for_it() {
    let server = Server::start(|seen| match budgets(seen) {
        Some(reply) => reply,
        None if seen.method == "PATCH" => Reply::Json(201, seen.json()),
        None => quiet(seen),
    })
    .await;
    let cluster = server.cluster();
    until(&cluster, |change| *change == Change::Listed(Gap::Pdbs)).await;
    cluster
        .announce(&[notice(About::Pdb(cart()), News::Blocked, 2), notice(About::Node("n1".into()), News::Unblocked, 1)])
        .await;
    let sent = events(&server);
    let [budget, node] = &sent[..] else { panic!("{sent:?}") };
    for seen in &sent {
        assert_eq!(seen.param("fieldManager"), "mngup");
        assert_eq!(seen.header("content-type"), "application/apply-patch+yaml");
    }
    assert!(budget.path.starts_with("/api/v1/namespaces/shop/events/mngup."), "{}", budget.path);
    assert!(node.path.starts_with("/api/v1/namespaces/default/events/mngup."), "{}", node.path);
    let mut event = budget.json();
    let name = event["metadata"]["name"].take();
    assert!(budget.path.ends_with(name.as_str().unwrap()));
    assert_eq!(
        event,
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "namespace": "shop", "name": null },
            "involvedObject": { "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "namespace": "shop",
                "name": "cart", "uid": "pdb-1" },
            "type": "Warning", "reason": "Blocked", "count": 2,
            "message": "PDB-NEVER-ALLOWS: pdb/shop/cart can never allow an eviction",
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:05:00Z",
            "source": { "component": "mngup" }, "reportingComponent": "mngup",
        })
    );
    let event = node.json();
    assert_eq!((&event["type"], &event["reason"]), (&json!("Normal"), &json!("Unblocked")));
    assert_eq!(event["involvedObject"], json!({ "apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n1" }));
}

#[tokio::test]
async fn the_same_is_one_object_and_another_is_another() {
    let server = Server::start(|seen| Reply::Json(200, seen.json())).await;
    let cluster = server.cluster();
    let (one, other) = (|| About::Node("n1".into()), About::Node("n2".into()));
    let notices = [
        notice(one(), News::Blocked, 1),
        notice(one(), News::Blocked, 2),
        notice(one(), News::Unblocked, 1),
        notice(other, News::Blocked, 1),
    ];
    cluster.announce(&notices).await;
    let names: Vec<_> = events(&server).into_iter().map(|seen| seen.path).collect();
    assert_eq!((names.len(), names.iter().collect::<BTreeSet<_>>().len()), (4, 3), "{names:?}");
    assert_eq!(names[0], names[1]);
}

#[tokio::test]
async fn without_the_right_to_write_events_it_is_tried_once_and_never_again() {
    let server = Server::start(|_| Reply::Json(403, status(403, "Forbidden", "no", Value::Null))).await;
    let cluster = server.cluster();
    let notices =
        [notice(About::Node("n1".into()), News::Blocked, 1), notice(About::Node("n2".into()), News::Blocked, 1)];
    cluster.announce(&notices).await;
    cluster.announce(&notices).await;
    assert_eq!(events(&server).len(), 1);
}

#[tokio::test]
async fn an_event_that_is_lost_keeps_nobody_from_the_next() {
    let server = Server::start(|_| Reply::Json(500, status(500, "InternalError", "no", Value::Null))).await;
    let notices =
        [notice(About::Node("n1".into()), News::Blocked, 1), notice(About::Node("n2".into()), News::Blocked, 1)];
    server.cluster().announce(&notices).await;
    assert_eq!(events(&server).len(), 2);
}
