//! A server that stands in for the API server: it writes down every request and answers as the test says.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Query, Request},
    http::{HeaderMap, Response},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use jiff::Timestamp;
use mngup::{
    adapters::k8s::{Connection, Endpoint, FreshToken, KubeCluster, Scope, TokenSource},
    domain::{Change, GroupName, later},
    ports::{Cluster, PortError},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn param(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.param("watch") == "true"
    }

    /// A watch that is to begin with everything there is.
    pub(crate) fn is_stream(&self) -> bool {
        self.param("sendInitialEvents") == "true"
    }
}

/// An answer.
pub(crate) enum Reply {
    Json(u16, Value),
    Text(u16, &'static [(&'static str, &'static str)], &'static str),
    /// These events, and then what comes through the channel; the end of the channel ends the stream.
    Watch(Vec<Value>, mpsc::UnboundedReceiver<io::Result<Value>>),
    /// These events, and then nothing more for ever.
    Hold(Vec<Value>),
    /// These events, and the stream ends in order.
    End(Vec<Value>),
    /// These events, and then the connection breaks.
    Cut(Vec<Value>),
    /// This answer, later.
    After(Duration, Box<Reply>),
}

type Answer = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

pub(crate) struct Server {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// One that has the feature `WatchList` switched off, as Kubernetes 1.31 and 1.33 have it.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_streams(move |seen| if seen.is_stream() { no_streams() } else { answer(seen) }).await
    }

    /// One that leaves watches with a list in them to the test, too.
    pub(crate) async fn with_streams(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, written): (Answer, _) = (Arc::new(answer), Arc::clone(&log));
        let app = Router::new().fallback(move |Query(query): Query<BTreeMap<String, String>>, request: Request| {
            let (answer, written) = (Arc::clone(&answer), Arc::clone(&written));
            async move {
                let (head, body) = request.into_parts();
                let seen = Seen {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    query,
                    headers: head.headers,
                    body: String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap(),
                };
                written.lock().unwrap().push(seen.clone());
                respond(answer(&seen)).await
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, log }
    }

    /// Everything that came so far.
    pub(crate) fn log(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// The requests of this line, `GET /api/v1/nodes`.
    pub(crate) fn of(&self, line: &str) -> Vec<Seen> {
        self.log().into_iter().filter(|seen| seen.line() == line).collect()
    }

    pub(crate) fn connect(&self) -> Connection {
        connect(&self.url)
    }

    pub(crate) fn cluster(&self) -> KubeCluster {
        KubeCluster::new(self.connect(), scope())
    }
}

async fn respond(reply: Reply) -> Response<Body> {
    let events = |events: Vec<Value>| stream::iter(events.into_iter().map(|event| Ok::<_, io::Error>(line(&event))));
    // What was sent must have left before the connection breaks.
    let broken = || {
        stream::once(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(io::Error::other("cut"))
        })
    };
    let body = match reply {
        Reply::Json(code, value) => {
            return Response::builder()
                .status(code)
                .header("content-type", "application/json")
                .body(Body::from(value.to_string()))
                .unwrap();
        }
        Reply::Text(code, headers, text) => {
            let response = Response::builder().status(code);
            let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
            return response.body(Body::from(text)).unwrap();
        }
        Reply::After(time, reply) => {
            tokio::time::sleep(time).await;
            return Box::pin(respond(*reply)).await;
        }
        Reply::Watch(first, rest) => {
            let rest = stream::unfold(rest, |mut rest| async { rest.recv().await.map(|event| (event, rest)) });
            Body::from_stream(events(first).chain(rest.map(|event| event.map(|event| line(&event)))))
        }
        Reply::Hold(first) => Body::from_stream(events(first).chain(stream::pending())),
        Reply::End(first) => Body::from_stream(events(first)),
        Reply::Cut(first) => Body::from_stream(events(first).chain(broken())),
    };
    Response::new(body)
}

fn line(event: &Value) -> String {
    format!("{event}\n")
}

pub(crate) fn scope() -> Scope {
    Scope { group: GroupName::Nodegroup("shop".into()), state_namespace: "kube-system".to_owned() }
}

pub(crate) fn connect(url: &str) -> Connection {
    let token = Arc::new(Fixed("the-token"));
    Connection::from_endpoint(&Endpoint { url: url.to_owned(), ca_pem: None, token }).unwrap()
}

/// A token that does not run out.
pub(crate) struct Fixed(pub(crate) &'static str);

impl TokenSource for Fixed {
    fn token(&self) -> BoxFuture<'_, Result<FreshToken, PortError>> {
        let token =
            FreshToken { token: self.0.to_owned(), expires_at: later(Timestamp::now(), Duration::from_hours(1)) };
        async move { Ok(token) }.boxed()
    }
}

/// A list of these objects.
pub(crate) fn list(version: &str, items: &[Value]) -> Reply {
    Reply::Json(
        200,
        json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": version }, "items": items }),
    )
}

/// What `ValidateListOptions` in apimachinery answers.
fn no_streams() -> Reply {
    let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden \
                   for watch unless the WatchList feature gate is enabled";
    Reply::Json(422, status(422, "Invalid", message, Value::Null))
}

/// The mark behind the last object of a streamed list.
pub(crate) fn all_sent(version: u32) -> Value {
    json!({ "type": "BOOKMARK", "object": { "kind": "Pod", "apiVersion": "v1", "metadata": {
        "resourceVersion": version.to_string(), "annotations": { "k8s.io/initial-events-end": "true" },
    } } })
}

/// A refusal.
#[expect(clippy::needless_pass_by_value, reason = "json! reads best in place")]
pub(crate) fn status(code: u16, reason: &str, message: &str, details: Value) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message, "details": details })
}

pub(crate) fn gone() -> Value {
    json!({ "type": "ERROR", "object": status(410, "Expired", "too old resource version", Value::Null) })
}

pub(crate) fn event(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": object })
}

pub(crate) fn node(name: &str, version: u32) -> Value {
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": { "name": name, "resourceVersion": version.to_string(), "labels": { "version": version.to_string() } },
        "spec": { "providerID": format!("aws:///eu-west-1a/i-{version:x}") },
    })
}

pub(crate) fn pod(name: &str, uid: &str, version: u32) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": { "namespace": "shop", "name": name, "uid": uid, "resourceVersion": version.to_string(),
            "labels": { "version": version.to_string() } },
        "spec": { "nodeName": "n1", "containers": [] },
    })
}

/// What a quiet, empty cluster answers.
pub(crate) fn quiet(seen: &Seen) -> Reply {
    if seen.is_watch() { Reply::Hold(Vec::new()) } else { list("1", &[]) }
}

/// Takes changes until this one is among them, and returns all of them.
pub(crate) async fn until(cluster: &KubeCluster, wanted: impl Fn(&Change) -> bool) -> Vec<Change> {
    let mut all = Vec::new();
    let found = timeout(Duration::from_secs(20), async {
        while !all.iter().any(&wanted) {
            all.extend(cluster.changes().await.unwrap());
        }
    });
    let in_time = found.await.is_ok();
    assert!(in_time, "not among {all:#?}");
    all
}

/// Waits until this holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}
