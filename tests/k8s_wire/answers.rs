//! What is made of each answer to an eviction.

use std::time::Duration;

use mngup::ports::{Cluster, Outcome, Refusal};
use serde_json::{Value, json};

use crate::{
    acts::evict,
    server::{Reply, Server, status},
};

async fn outcome(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Outcome {
    let server = Server::start(move |_| reply()).await;
    let outcome = server.cluster().act(&evict(None)).await;
    assert_eq!(server.log().len(), 1, "a refusal is told, not tried again");
    outcome
}

async fn refusal(code: u16, reason: &'static str, message: &'static str, details: Value) -> Refusal {
    match outcome(move || Reply::Json(code, status(code, reason, message, details.clone()))).await {
        Outcome::Refused(refusal) => refusal,
        other @ (Outcome::Done | Outcome::Unknown(_)) => panic!("{other:?}"),
    }
}

const BUDGET: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

#[tokio::test]
async fn a_budget_says_itself_what_it_needs() {
    let needs = "The disruption budget cart needs 3 healthy pods and has 3 currently";
    let details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": needs }] });
    let said = refusal(429, "TooManyRequests", BUDGET, details).await;
    assert_eq!(said, Refusal::Budget { causes: vec![needs.to_owned()] });

    let stale = "The disruption budget cart is still being processed by the server.";
    let details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": stale }], "retryAfterSeconds": 10 });
    let said = refusal(429, "TooManyRequests", BUDGET, details).await;
    assert_eq!(said, Refusal::Budget { causes: vec![stale.to_owned()] });
}

#[tokio::test]
async fn rate_limiting_is_no_budget() {
    let said = refusal(429, "TooManyRequests", "the server is busy", json!({ "retryAfterSeconds": 3 })).await;
    assert_eq!(said, Refusal::Throttled { after: Some(Duration::from_secs(3)) });
    // Priority and fairness answers in plain text, with a header.
    let busy = || Reply::Text(429, &[("retry-after", "1")], "Too many requests, please try again later.");
    let throttled = Refusal::Throttled { after: Some(Duration::from_secs(1)) };
    assert_eq!(outcome(busy).await, Outcome::Refused(throttled));
}

#[tokio::test]
async fn two_budgets_are_told_by_the_message_alone() {
    let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    assert_eq!(refusal(500, "", message, Value::Null).await, Refusal::TwoBudgets);
}

#[tokio::test]
async fn a_budget_in_a_forbidding_state_is_no_missing_right() {
    let message = "poddisruptionbudgets.policy \"cart\" is forbidden: pdb disruptions allowed is negative";
    let details = json!({ "name": "cart", "group": "policy", "kind": "poddisruptionbudget" });
    let said = refusal(403, "Forbidden", message, details).await;
    assert_eq!(said, Refusal::Budget { causes: vec![message.to_owned()] });
}

#[tokio::test]
async fn a_missing_right_and_a_dying_namespace_are_both_403() {
    let message =
        "pods \"cart-1\" is forbidden: User \"jo\" cannot create resource \"pods/eviction\" in API group \"\"";
    let said = refusal(403, "Forbidden", message, json!({ "name": "cart-1", "kind": "pods" })).await;
    assert_eq!(said, Refusal::Forbidden { message: message.to_owned() });
    let details =
        json!({ "causes": [{ "reason": "NamespaceTerminating", "message": "namespace shop is being terminated" }] });
    let said = refusal(403, "Forbidden", "unable to create new content in namespace shop", details).await;
    assert_eq!(said, Refusal::NamespaceTerminating);
}

#[tokio::test]
async fn webhooks_are_told_whatever_code_they_choose() {
    let denied = "admission webhook \"guard.example.com\" denied the request: not today";
    for code in [400, 403, 404, 409, 422, 429, 500] {
        assert_eq!(refusal(code, "", denied, Value::Null).await, Refusal::Webhook { message: denied.to_owned() });
    }
    let unreachable = "Internal error occurred: failed calling webhook \"guard.example.com\": connection refused";
    let said = refusal(500, "InternalError", unreachable, Value::Null).await;
    assert_eq!(said, Refusal::Webhook { message: unreachable.to_owned() });
}

#[tokio::test]
async fn gone_changed_and_anything_else() {
    assert_eq!(refusal(404, "NotFound", "pods \"cart-1\" not found", Value::Null).await, Refusal::Gone);
    let message = "Precondition failed: UID in precondition: u-1, UID in object meta: u-2";
    assert_eq!(refusal(409, "Conflict", message, Value::Null).await, Refusal::Conflict { message: message.to_owned() });
    let said = refusal(422, "Invalid", "nonsense", Value::Null).await;
    assert_eq!(said, Refusal::Failed { code: 422, message: "nonsense".to_owned() });
    let storm = "couldn't update PodDisruptionBudget \"cart\" due to conflicts";
    let said = refusal(504, "Timeout", storm, Value::Null).await;
    assert_eq!(said, Refusal::Failed { code: 504, message: storm.to_owned() });
}

#[tokio::test]
async fn a_gateway_that_lost_the_answer_leaves_it_unknown() {
    let lost = outcome(|| Reply::Text(502, &[], "upstream went away")).await;
    assert_eq!(lost, Outcome::Unknown("upstream went away".to_owned()));
    let etcd = || Reply::Json(500, status(500, "", "etcdserver: request timed out", Value::Null));
    assert!(matches!(outcome(etcd).await, Outcome::Unknown(_)));
    let slow = || Reply::Json(504, status(504, "Timeout", "request did not complete within 60s", Value::Null));
    assert!(matches!(outcome(slow).await, Outcome::Unknown(_)));
}
