//! Tokens: on every request, renewed in time, never shown.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use mngup::{
    adapters::k8s::{Connection, Endpoint, FreshToken, KubeCluster, TokenSource},
    domain::later,
    ports::{Cluster, Outcome, PortError, Refusal},
};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    acts::evict,
    server::{Reply, Server, quiet, scope, status, until},
};

/// Makes `secret-1`, `secret-2`, …
struct Counting {
    made: AtomicUsize,
    life: Duration,
}

impl TokenSource for Counting {
    fn token(&self) -> BoxFuture<'_, Result<FreshToken, PortError>> {
        let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        let token = FreshToken { token: format!("secret-{number}"), expires_at: later(Timestamp::now(), self.life) };
        async move { Ok(token) }.boxed()
    }
}

struct Broken;

impl TokenSource for Broken {
    fn token(&self) -> BoxFuture<'_, Result<FreshToken, PortError>> {
        async { Err(PortError::Credentials { message: "the SSO session ran out; aws sso login".to_owned() }) }.boxed()
    }
}

fn cluster(server: &Server, token: Arc<dyn TokenSource>) -> KubeCluster {
    let endpoint = Endpoint { url: server.url.clone(), ca_pem: None, token };
    KubeCluster::new(Connection::from_endpoint(&endpoint).unwrap(), scope())
}

fn source(life: Duration) -> Arc<Counting> {
    Arc::new(Counting { made: AtomicUsize::new(0), life })
}

fn created() -> Reply {
    Reply::Json(201, json!({ "kind": "Status", "status": "Success" }))
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end() {
    let server = Server::start(|_| created()).await;
    let tokens = source(Duration::from_mins(14));
    let lasting = cluster(&server, tokens.clone());
    for _ in 0..3 {
        assert_eq!(lasting.act(&evict(None)).await, Outcome::Done);
    }
    assert_eq!(tokens.made.load(Ordering::SeqCst), 1);

    let tokens = source(Duration::from_secs(100));
    let ending = cluster(&server, tokens.clone());
    for _ in 0..2 {
        assert_eq!(ending.act(&evict(None)).await, Outcome::Done);
    }
    let sent: Vec<_> = server.log().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(sent[3..], ["Bearer secret-1", "Bearer secret-2"], "less than two minutes are left: renewed");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once() {
    let server = Server::start(|seen| match seen.header("authorization") {
        "Bearer secret-2" => created(),
        _ => Reply::Json(401, status(401, "Unauthorized", "Unauthorized", Value::Null)),
    })
    .await;
    let tokens = source(Duration::from_mins(14));
    let cluster = cluster(&server, tokens.clone());
    assert_eq!(cluster.act(&evict(None)).await, Outcome::Done);
    let bodies: Vec<_> = server.log().iter().map(|seen| seen.body.clone()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1], "the same request again");
    assert_eq!(cluster.act(&evict(None)).await, Outcome::Done);
    assert_eq!((server.log().len(), tokens.made.load(Ordering::SeqCst)), (3, 2));
}

#[tokio::test]
async fn credentials_that_are_never_accepted_are_told() {
    let server = Server::start(|_| Reply::Json(401, status(401, "Unauthorized", "Unauthorized", Value::Null))).await;
    let cluster = cluster(&server, source(Duration::from_mins(14)));
    let error = cluster.intent().await.unwrap_err();
    assert!(matches!(error, PortError::Credentials { .. }), "{error}");
    assert!(error.to_string().contains(&server.url));
    let outcome = cluster.act(&evict(None)).await;
    assert!(matches!(outcome, Outcome::Refused(Refusal::Failed { code: 401, .. })));
}

#[tokio::test]
async fn a_source_that_has_no_token_says_why_and_nothing_is_sent() {
    let server = Server::start(quiet).await;
    let cluster = cluster(&server, Arc::new(Broken));
    let error = cluster.intent().await.unwrap_err();
    assert_eq!(error.to_string(), "the SSO session ran out; aws sso login");
    let outcome = cluster.act(&evict(None)).await;
    assert!(matches!(outcome, Outcome::Refused(Refusal::Failed { code: 0, .. })), "{outcome:?}");
    assert_eq!(server.log().len(), 0);
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_token_is_written_at_any_verbosity() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(written.clone())
        .finish();
    // For the whole process: the tests beside this one write into it too, with tokens of the same kind.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = Server::start(|seen| match (seen.method.as_str(), seen.header("authorization")) {
        ("POST", "Bearer secret-1") => Reply::Json(401, status(401, "Unauthorized", "Unauthorized", Value::Null)),
        ("POST", _) => Reply::Text(500, &[], "not JSON"),
        _ => quiet(seen),
    })
    .await;
    let cluster = cluster(&server, source(Duration::from_mins(14)));
    let outcome = cluster.act(&evict(None)).await;
    until(&cluster, |change| matches!(change, mngup::domain::Change::Listed(_))).await;
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("requesting"), "kube's own spans are in it");
    assert!(!text.contains("secret-"), "{text}");
    assert!(!format!("{outcome:?}").contains("secret-"));
    let token = FreshToken { token: "secret".to_owned(), expires_at: Timestamp::UNIX_EPOCH };
    assert!(!format!("{token:?}").contains("secret"));
}
