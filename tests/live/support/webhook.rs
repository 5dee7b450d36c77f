//! Whoever the API server asks about evictions: a real server, behind the API server's own certificate.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, body::Bytes, routing::post, serve::Listener};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::ControlPlane;

/// What it says to everybody.
pub const DENIAL: &str = "not on a Sunday";

/// A server that denies everything; it ends when this is dropped.
pub struct Webhook {
    /// `https://127.0.0.1:…/`
    pub url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Webhook {
    /// Starts one that this API server trusts.
    pub fn start(plane: &ControlPlane) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let certificates = plane.folder().join("certs");
        let chain = CertificateDer::pem_file_iter(certificates.join("apiserver.crt")).expect("the API server wrote it");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(certificates.join("apiserver.key")).expect("the API server wrote it");
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let tcp = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("https://{}/", tcp.local_addr().expect("it is bound"));
        let app = Router::new().route("/", post(deny));
        runtime.spawn(async move { axum::serve(Tls { tcp, acceptor }, app).await });
        Self { url, _runtime: runtime }
    }
}

/// A configuration with one webhook that is asked about evictions in this namespace: `NAMESPACE.example.com` of
/// `validatingwebhookconfiguration/NAMESPACE`.
pub fn guard(plane: &ControlPlane, namespace: &str, url: &str) -> String {
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": namespace },
        "webhooks": [{
            "name": format!("{namespace}.example.com"),
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
            "clientConfig": { "url": url, "caBundle": base64(plane.ca_pem().as_bytes()) },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/eviction"],
            }],
        }],
    });
    format!("{configuration}\n")
}

async fn deny(body: Bytes) -> String {
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let response = json!({ "uid": review["request"]["uid"], "allowed": false, "status": { "message": DENIAL } });
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }).to_string()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Accepts connections and shakes hands on them.
struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = Listener::accept(&mut self.tcp).await;
            // Whoever does not speak TLS is not the API server.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
