//! The one `ConfigMap` of a run.

use std::sync::Mutex;

use mngup::{
    domain::{IntOrPercent, Intent, IntentState, Limits, Operator, Policy, RunId, Size, Source},
    ports::{Cluster, KubeAct, Outcome, PortError, Refusal},
};
use serde_json::{Value, json};

use crate::server::{Reply, Server, status};

const OBJECT: &str = "/api/v1/namespaces/kube-system/configmaps/mngup-shop";

fn intent() -> Intent {
    Intent {
        schema: 1,
        version: "0.1.0".to_owned(),
        run: RunId::new("r1"),
        cluster: "prod".into(),
        group: crate::server::scope().group,
        started_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        operator: Operator { user: "jo".to_owned(), host: "laptop".to_owned() },
        size: Size { min: 1, desired: 3, max: 4 },
        old: 3,
        policy: Policy::default(),
        limits: Limits {
            max_unavailable: 1,
            max_unavailable_said: IntOrPercent::Percent(33),
            max_unavailable_from: Source::Policy,
            surge: 0,
            surge_said: IntOrPercent::Int(0),
            surge_from: Source::Default,
        },
        surge: 0,
        raised_max: None,
        suspended_az_rebalance: true,
        state: IntentState::Rolling,
    }
}

fn config_map(intent: &str) -> Value {
    json!({ "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": "mngup-shop" }, "data": { "intent": intent } })
}

async fn read(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Option<Intent>, PortError> {
    Server::start(move |_| reply()).await.cluster().intent().await
}

#[tokio::test]
async fn an_intent_is_written_in_one_request_read_again_and_forgotten() {
    let stored: Mutex<Option<Value>> = Mutex::default();
    let server = Server::start(move |seen| {
        let mut stored = stored.lock().unwrap();
        match (seen.method.as_str(), &*stored) {
            ("PATCH", _) => Reply::Json(200, stored.insert(seen.json()).clone()),
            ("GET", Some(object)) => Reply::Json(200, object.clone()),
            ("DELETE", Some(_)) => {
                *stored = None;
                Reply::Json(200, json!({ "kind": "Status", "status": "Success" }))
            }
            _ => Reply::Json(404, status(404, "NotFound", "configmaps \"mngup-shop\" not found", Value::Null)),
        }
    })
    .await;
    let cluster = server.cluster();
    assert_eq!(cluster.intent().await.unwrap(), None);
    assert_eq!(cluster.act(&KubeAct::SaveIntent(Box::new(intent()))).await, Outcome::Done);
    assert_eq!(cluster.intent().await.unwrap(), Some(intent()));
    for _ in 0..2 {
        assert_eq!(cluster.act(&KubeAct::ForgetIntent).await, Outcome::Done, "twice is as good as once");
    }
    assert_eq!(cluster.intent().await.unwrap(), None);
    let written = &server.of(&format!("PATCH {OBJECT}"))[0];
    assert_eq!(written.header("content-type"), "application/apply-patch+yaml");
    assert_eq!((written.param("fieldManager"), written.param("force")), ("mngup", "true"));
    assert_eq!(written.json()["metadata"]["labels"]["app.kubernetes.io/managed-by"], "mngup");
    assert_eq!(server.log().len(), 6);
}

#[tokio::test]
async fn an_intent_of_a_newer_mngup_is_refused_by_name() {
    let text = r#"{ "schema": 2, "version": "9.3.0", "shape": "unknown" }"#;
    let said = read(|| Reply::Json(200, config_map(text))).await.unwrap_err();
    assert!(matches!(said, PortError::Malformed { .. }));
    let expected = format!(
        "configmap/kube-system/mngup-shop: was written by mngup 9.3.0 in form 2, this mngup ({}) reads forms up to 1; \
         go on with mngup 9.3.0 or a newer one",
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(said.to_string(), expected);
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_is_named_with_what_to_do() {
    for text in ["{", r#"{ "schema": 1, "version": "0.1.0" }"#] {
        let said = read(move || Reply::Json(200, config_map(text))).await.unwrap_err().to_string();
        assert!(said.starts_with("configmap/kube-system/mngup-shop: "), "{said}");
        assert!(said.contains("delete the ConfigMap"), "{said}");
    }
    let foreign = || Reply::Json(200, json!({ "kind": "ConfigMap", "apiVersion": "v1", "metadata": {} }));
    assert!(read(foreign).await.unwrap_err().to_string().contains("has no key \"intent\""));
}

#[tokio::test]
async fn a_state_namespace_that_is_not_there_is_named() {
    let server = Server::start(|_| {
        Reply::Json(404, status(404, "NotFound", "namespaces \"kube-system\" not found", Value::Null))
    })
    .await;
    let outcome = server.cluster().act(&KubeAct::SaveIntent(Box::new(intent()))).await;
    let message = "namespace kube-system does not exist; see --state-namespace".to_owned();
    assert_eq!(outcome, Outcome::Refused(Refusal::Failed { code: 404, message }));
}
