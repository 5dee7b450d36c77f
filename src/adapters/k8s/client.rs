//! Ways to an API server: from a kubeconfig, or from an endpoint and a source of tokens.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, Uri, header::USER_AGENT};
use kube::{
    Client, Config,
    client::AuthError,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::{
    answer::{Failure, auth_text, chain},
    bearer::{Bearer, TokenSource},
    proxy,
};
use crate::ports::PortError;

/// What every request says of itself.
const AGENT: &str = concat!("mngup/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// An API server as `DescribeCluster` tells it, and a source of tokens for it.
#[derive(Clone)]
pub struct Endpoint {
    /// `https://….eks.amazonaws.com`
    pub url: String,
    /// The certificate authority as PEM text; none trusts what the machine trusts.
    pub ca_pem: Option<String>,
    /// Makes bearer tokens.
    pub token: Arc<dyn TokenSource>,
}

/// A way to one API server, cheap to clone.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    server: Arc<str>,
}

impl Connection {
    /// Connects as a kubeconfig says: the file given, else `KUBECONFIG`, else `~/.kube/config`.
    ///
    /// Nothing is sent yet, but a credential command that the kubeconfig names is run. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the file is missing or broken, when it has no such context, when the credential command fails, or when
    /// `HTTPS_PROXY` names no proxy.
    pub async fn from_kubeconfig(path: Option<&Path>, context: Option<&str>) -> Result<Self, PortError> {
        let (files, kubeconfig) = read(path)?;
        let contexts: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let own_proxy = names_proxy(&kubeconfig, context);
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| {
            if !own_proxy && matches!(error, KubeconfigError::ParseProxyUrl(_)) {
                return proxy::broken();
            }
            broken(&files, &error, &contexts)
        })?;
        if !own_proxy {
            config.proxy_url = proxy::from_environment(&config.cluster_url)?;
        }
        let command = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        let server = config.cluster_url.to_string();
        let client = build(config).map_err(|error| {
            if let kube::Error::Auth(error) = &error {
                return PortError::Credentials { message: credential_text(&files, command, error) };
            }
            Failure::from(error).port(&server, "connect")
        })?;
        Ok(Self { client, server: server.trim_end_matches('/').into() })
    }

    /// Connects to an endpoint with tokens that are renewed before they run out, and once after each 401.
    ///
    /// Nothing is sent yet. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the URL or the certificate authority cannot be read, or `HTTPS_PROXY` names no proxy.
    pub fn from_endpoint(endpoint: &Endpoint) -> Result<Self, PortError> {
        let malformed = |message: String| PortError::Malformed { what: format!("endpoint {}", endpoint.url), message };
        let url: Uri = endpoint.url.parse().map_err(|error| malformed(format!("is not a URL: {error}")))?;
        let mut config = Config::new(url.clone());
        config.proxy_url = proxy::from_environment(&url)?;
        if let Some(pem) = &endpoint.ca_pem {
            let certificates = certificates(pem).map_err(|why| malformed(format!("certificate authority: {why}")))?;
            config.root_cert = Some(certificates);
        }
        let inner = build(config).map_err(|error| malformed(chain(&error)))?;
        let client = Client::new(Bearer::new(inner, Arc::clone(&endpoint.token)), "default");
        Ok(Self { client, server: endpoint.url.trim_end_matches('/').into() })
    }

    /// The server's URL without a slash at its end, to be compared with the cluster's endpoint.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }
}

fn build(mut config: Config) -> Result<Client, kube::Error> {
    // A refused eviction is a 429: with the default the client would try it again for minutes and hide the reason.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    // Watches share the connection pool and are silent for long: every call has a time limit of its own instead.
    config.read_timeout = None;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    Client::try_from(config)
}

fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    use base64::Engine;
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut found = Vec::new();
    for block in pem.split(BEGIN).skip(1) {
        let (body, _) = block.split_once(END).ok_or("a certificate without an end")?;
        let body: String = body.split_whitespace().collect();
        found.push(base64::engine::general_purpose::STANDARD.decode(body).map_err(|error| error.to_string())?);
    }
    if found.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(found) }
}

/// Whether the kubeconfig itself names a proxy for the cluster of this context.
fn names_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let named = context.or(kubeconfig.current_context.as_deref());
    let context = kubeconfig.contexts.iter().find(|context| Some(context.name.as_str()) == named);
    let cluster = context.and_then(|context| context.context.as_ref()).map(|context| context.cluster.as_str());
    let cluster = kubeconfig.clusters.iter().find(|entry| Some(entry.name.as_str()) == cluster);
    let proxy = cluster.and_then(|entry| entry.cluster.as_ref()).and_then(|cluster| cluster.proxy_url.as_deref());
    proxy.is_some_and(|url| !url.is_empty())
}

/// Reads the kubeconfig, and says which files that were.
fn read(path: Option<&Path>) -> Result<(String, Kubeconfig), PortError> {
    let files: Vec<PathBuf> = match path {
        Some(path) => vec![path.to_owned()],
        None => match env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
            Some(value) => env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect(),
            None => env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect(),
        },
    };
    let names = files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    if files.is_empty() {
        return Err(PortError::NotFound {
            what: "kubeconfig: no --kubeconfig was given, KUBECONFIG is empty, and ~/.kube/config".to_owned(),
            others: Vec::new(),
        });
    }
    let merged = files.iter().try_fold(Kubeconfig::default(), |merged, path| {
        Kubeconfig::read_from(path).and_then(|next| merged.merge(next))
    });
    match merged {
        Ok(config) => Ok((names, config)),
        Err(error) => Err(broken(&names, &error, &[])),
    }
}

/// What is wrong with a kubeconfig, without quoting from it: the line in question may hold a token.
#[expect(clippy::wildcard_enum_match_arm, reason = "kube's errors; the others quote nothing but paths and URLs")]
fn broken(files: &str, error: &KubeconfigError, contexts: &[String]) -> PortError {
    let what = format!("kubeconfig {files}");
    let message = match error {
        KubeconfigError::ReadConfig(source, path) if source.kind() == std::io::ErrorKind::NotFound => {
            return PortError::NotFound { what: format!("kubeconfig {}", path.display()), others: Vec::new() };
        }
        KubeconfigError::ReadConfig(source, path) => format!("cannot read {}: {source}", path.display()),
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("is broken YAML or no kubeconfig, see line {} column {}", at.line(), at.column()),
            None => "is broken YAML or no kubeconfig".to_owned(),
        },
        KubeconfigError::CurrentContextNotSet if contexts.is_empty() => "has no contexts".to_owned(),
        KubeconfigError::CurrentContextNotSet => {
            format!("has no current-context; give --context, one of: {}", contexts.join(", "))
        }
        KubeconfigError::LoadContext(name) => {
            return PortError::NotFound { what: format!("context \"{name}\" in {what}"), others: contexts.to_vec() };
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("names the cluster {name} in a context, and has no such cluster")
        }
        other => chain(other),
    };
    PortError::Malformed { what, message }
}

fn credential_text(files: &str, command: Option<String>, error: &AuthError) -> String {
    let command = command.map_or_else(String::new, |command| format!(" ({command})"));
    format!("the credentials{command} of kubeconfig {files} cannot be had: {}", auth_text(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_taken_out_of_pem() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQ=\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(&pem.repeat(2)), Ok(vec![vec![0, 1, 2, 3, 4]; 2]));
        assert_eq!(certificates("").unwrap_err(), "holds no certificate");
        assert_eq!(certificates("-----BEGIN CERTIFICATE-----\nAAEC").unwrap_err(), "a certificate without an end");
    }
}
