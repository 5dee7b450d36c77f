//! A server that stands in for the Kubernetes API of a cluster without pods: enough to be refused by.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What it knows.
#[derive(Default)]
struct Known {
    denied: BTreeSet<String>,
    unauthorized: bool,
    intent: Option<String>,
    lease: Option<Value>,
    objects: Vec<Value>,
    writes: Vec<String>,
}

/// A running server; it ends when this is dropped.
pub(crate) struct StandIn {
    url: String,
    known: Arc<Mutex<Known>>,
    runtime: Option<Runtime>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&known));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(socket).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, known, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Takes a right away, `create pods/eviction`.
    pub(crate) fn deny(&self, right: &str) {
        self.known.lock().unwrap().denied.insert(right.to_owned());
    }

    /// Knows nobody any more.
    pub(crate) fn forget_everybody(&self) {
        self.known.lock().unwrap().unauthorized = true;
    }

    /// A run has left this behind.
    pub(crate) fn remember(&self, intent: &str) {
        self.known.lock().unwrap().intent = Some(intent.to_owned());
    }

    /// Somebody holds the group's Lease, and has just said so.
    pub(crate) fn hold(&self, user: &str, host: &str) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let lease = json!({ "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
            "metadata": { "name": "mngup-workers", "namespace": "kube-system", "resourceVersion": "9" },
            "spec": { "holderIdentity": format!("{user}@{host}/r1"), "leaseDurationSeconds": 3600,
                "acquireTime": now, "renewTime": now } });
        self.known.lock().unwrap().lease = Some(lease);
    }

    /// Has this object, a Node or a Pod.
    pub(crate) fn add(&self, object: Value) {
        self.known.lock().unwrap().objects.push(object);
    }

    /// Requests that would have changed something.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.known.lock().unwrap().writes.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(State(known): State<Arc<Mutex<Known>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let query = uri.query().unwrap_or_default();
    if query.contains("sendInitialEvents=true") {
        return status(400, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
    }
    if query.contains("watch=true") {
        return pending().await;
    }
    let mut known = known.lock().unwrap();
    if known.unauthorized {
        return status(401, "Unauthorized");
    }
    let path = uri.path();
    match method {
        Method::POST if path.ends_with("/selfsubjectaccessreviews") => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let right = right(&asked["spec"]["resourceAttributes"]);
            object(json!({ "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {},
                "status": { "allowed": !known.denied.contains(&right) } }))
        }
        // As where another authorizer than RBAC decides.
        Method::POST if path.ends_with("/selfsubjectrulesreviews") => {
            object(json!({ "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": {},
                "status": { "resourceRules": [], "nonResourceRules": [], "incomplete": true } }))
        }
        Method::GET if path.contains("/configmaps/") => match &known.intent {
            Some(intent) => object(json!({ "kind": "ConfigMap", "apiVersion": "v1",
                "metadata": { "name": "mngup-workers", "namespace": "kube-system" }, "data": { "intent": intent } })),
            None => status(404, "not found"),
        },
        Method::GET if path.contains("/leases/") => match &known.lease {
            Some(lease) => object(lease.clone()),
            None => status(404, "not found"),
        },
        Method::GET => get(&known, path, query),
        method => {
            known.writes.push(format!("{method} {path}"));
            status(403, "nothing is to be written here")
        }
    }
}

/// One object of those that were added, or a list of them.
fn get(known: &Known, path: &str, query: &str) -> Response {
    let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let (namespace, kind, name) = match parts.as_slice() {
        ["api", "v1", "namespaces", namespace, kind, rest @ ..] => (Some(*namespace), *kind, rest.first()),
        ["api", "v1", kind, rest @ ..] => (None, *kind, rest.first()),
        _ => (None, "", None),
    };
    let verb = if name.is_some() { "get" } else { "list" };
    if known.denied.contains(&format!("{verb} {kind}")) {
        return status(
            403,
            &format!("User \"ann\" cannot {verb} resource \"{kind}\" in API group \"\" at the cluster scope"),
        );
    }
    let is_it = |object: &&Value| {
        let meta = &object["metadata"];
        let of_kind = object["kind"].as_str().map(|kind| format!("{}s", kind.to_lowercase())) == Some(kind.to_owned());
        // Of selectors only the ones by name are understood.
        let selected = query
            .split('&')
            .find_map(|part| part.strip_prefix("fieldSelector="))
            .is_none_or(|fields| fields.strip_prefix("metadata.name%3D").is_none_or(|name| meta["name"] == name));
        of_kind && selected && namespace.is_none_or(|namespace| meta["namespace"] == namespace)
    };
    let mut found = known.objects.iter().filter(is_it);
    match name {
        Some(name) => match found.find(|object| object["metadata"]["name"] == **name) {
            Some(found) => object(found.clone()),
            None => status(404, "not found"),
        },
        None => object(json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "7" },
            "items": found.collect::<Vec<_>>() })),
    }
}

fn right(attributes: &Value) -> String {
    let part = |name: &str| attributes[name].as_str().unwrap_or_default();
    let (verb, resource) = (part("verb"), part("resource"));
    match part("subresource") {
        "" => format!("{verb} {resource}"),
        subresource => format!("{verb} {resource}/{subresource}"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "every caller makes it for this")]
fn object(value: Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

fn status(code: u16, message: &str) -> Response {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message });
    (StatusCode::from_u16(code).unwrap(), [("content-type", "application/json")], body.to_string()).into_response()
}
