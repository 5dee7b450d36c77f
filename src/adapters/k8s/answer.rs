//! What came back of a request, and what it means.
//!
//! Requests are sent as bytes and read here, not through `Api`: that would lose `Retry-After` and the difference between
//! "never sent" and "no answer", which decides whether an act may be sent again.

use std::{error::Error, io::ErrorKind, time::Duration};

use http::{Request, StatusCode, header::RETRY_AFTER};
use kube::{
    Client,
    api::ObjectList,
    client::{AuthError, Body},
    core::Status,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::bearer::NoToken;
use crate::ports::{Outcome, PortError, Refusal};

/// How long an answer may take; the API server itself gives a request a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(70);

/// Why there is no good answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// No credentials could be had; nothing was sent.
    Credentials(PortError),
    /// No connection came about; nothing was sent.
    NotSent(String),
    /// The request may have been carried out; no answer came.
    Lost(String),
    /// The server said no.
    Answer(Box<Answer>),
    /// The server said yes in words that make no sense.
    Garbled(String),
}

/// A refusal as it came over the wire.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The transport's status; the one in the body can be missing.
    pub(super) code: u16,
    /// The header, or the body's `retryAfterSeconds`.
    pub(super) retry_after: Option<Duration>,
    /// The body; where it was no `Status`, its message is the body's text.
    pub(super) status: Status,
}

/// Sends a request and returns the body of a good answer.
pub(super) async fn send(
    client: &Client,
    request: Result<Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<Vec<u8>, Failure> {
    let request = request.map_err(|error| Failure::NotSent(error.to_string()))?.map(Body::from);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = tokio::time::timeout(PATIENCE, async {
        let response = client.send(request).await?;
        let (head, body) = response.into_parts();
        // An answer whose head says yes is a yes, also when its body is lost on the way.
        let body = match body.collect_bytes().await {
            Ok(body) => body.to_vec(),
            Err(_) if head.status.is_success() => Vec::new(),
            Err(error) => return Err(Failure::from(error)),
        };
        Ok((head, body))
    });
    let answered = answered.await.map_err(|_| Failure::Lost(format!("no answer within {} s", PATIENCE.as_secs())));
    let (head, body) = answered.flatten().inspect_err(|_| tracing::info!("kubernetes {method} {path}: no answer"))?;
    tracing::info!("kubernetes {method} {path}: {}", head.status.as_u16());
    if head.status.is_success() {
        return Ok(body);
    }
    let header = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    Err(Failure::Answer(Box::new(Answer::read(head.status, header, &body))))
}

/// Sends a request and reads the object in a good answer.
pub(super) async fn fetch<T: DeserializeOwned>(
    client: &Client,
    request: Result<Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<T, Failure> {
    let body = send(client, request).await?;
    serde_json::from_slice(&body).map_err(|error| Failure::Garbled(error.to_string()))
}

/// Sends a request and reads the objects in a good answer; one that cannot be read is told by name.
pub(super) async fn fetch_list<K: DeserializeOwned + Clone>(
    client: &Client,
    request: Result<Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<ObjectList<K>, Failure> {
    let body = send(client, request).await?;
    serde_json::from_slice(&body).map_err(|error| {
        // Read a second time only where the first went wrong: lists are what takes longest to read.
        let named = serde_json::from_slice::<Value>(&body).ok().and_then(|list| unreadable::<K>(&list));
        Failure::Garbled(named.unwrap_or_else(|| error.to_string()))
    })
}

/// The first object of a list that is no `K`, and why.
fn unreadable<K: DeserializeOwned>(list: &Value) -> Option<String> {
    list["items"].as_array()?.iter().find_map(|item| {
        let error = K::deserialize(item).err()?;
        let part = |name: &str| item["metadata"][name].as_str();
        let name = part("name").unwrap_or("without a name");
        let object = part("namespace").map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"));
        Some(format!("{object} cannot be read: {error}"))
    })
}

impl Answer {
    fn read(code: StatusCode, retry_after: Option<u64>, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body)
            .unwrap_or_else(|_| Status::failure(String::from_utf8_lossy(body).trim(), ""));
        let in_body = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let retry_after = retry_after.or((in_body > 0).then_some(u64::from(in_body))).map(Duration::from_secs);
        Self { code: code.as_u16(), retry_after, status }
    }

    /// The messages of the causes of this kind.
    fn causes(&self, kind: &str) -> Option<Vec<String>> {
        let details = self.status.details.as_ref()?;
        let messages: Vec<_> = details.causes.iter().filter(|c| c.reason == kind).map(|c| c.message.clone()).collect();
        (!messages.is_empty()).then_some(messages)
    }

    /// What it says, or its code where it says nothing.
    pub(super) fn message(&self) -> String {
        match (self.status.message.as_str(), StatusCode::from_u16(self.code)) {
            ("", Ok(code)) => code.to_string(),
            ("", Err(_)) => format!("status {}", self.code),
            (message, _) => message.to_owned(),
        }
    }

    /// Sorts a refusal (`pkg/registry/core/pod/storage/eviction.go`); none when the act may have been carried out.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let message = self.message();
        let admission = message.contains("admission webhook")
            || message.contains("failed calling webhook")
            || message.starts_with("ValidatingAdmissionPolicy");
        if let Some(causes) = self.causes("DisruptionBudget") {
            return Some(Refusal::Budget { causes });
        }
        // Any code may come from a webhook, also those that mean something else below.
        if admission {
            return Some(Refusal::Webhook { message });
        }
        Some(match self.code {
            429 => Refusal::Throttled { after: self.retry_after },
            500 if message.contains("more than one PodDisruptionBudget") => Refusal::TwoBudgets,
            // The eviction gave up in a storm of conflicts on the budget's status: surely not carried out.
            504 if message.contains("couldn't update PodDisruptionBudget") => Refusal::Failed { code: 504, message },
            // etcd's timeouts and a proxy's lost upstream: the write may have gone through.
            500 if message.contains("etcdserver:") => return None,
            408 | 502 | 504 => return None,
            403 if self.causes("NamespaceTerminating").is_some() => Refusal::NamespaceTerminating,
            // The budget itself is in a state that forbids: disruptionsAllowed < 0, or too many disruptedPods.
            403 if self.is_about_budget() => Refusal::Budget { causes: vec![message] },
            403 => Refusal::Forbidden { message },
            404 | 410 => Refusal::Gone,
            409 => Refusal::Conflict { message },
            code => Refusal::Failed { code, message },
        })
    }

    fn is_about_budget(&self) -> bool {
        self.status.details.as_ref().is_some_and(|details| details.kind.starts_with("poddisruptionbudget"))
    }
}

impl Failure {
    /// What came of an act.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Credentials(error) => Outcome::Refused(Refusal::Failed { code: 0, message: error.to_string() }),
            Self::NotSent(message) => Outcome::Refused(Refusal::Failed { code: 0, message }),
            Self::Lost(message) | Self::Garbled(message) => Outcome::Unknown(message),
            Self::Answer(answer) => match answer.refusal() {
                Some(refusal) => Outcome::Refused(refusal),
                None => Outcome::Unknown(answer.message()),
            },
        }
    }

    /// What the user is told; `what` is verb and object, `list nodes`.
    pub(super) fn port(self, server: &str, what: &str) -> PortError {
        match self {
            Self::Credentials(error) => error,
            Self::NotSent(message) | Self::Lost(message) => {
                PortError::Unreachable { server: server.to_owned(), message }
            }
            Self::Garbled(message) => PortError::Malformed { what: format!("answer of {server} to {what}"), message },
            Self::Answer(answer) => {
                let message = answer.message();
                match answer.code {
                    401 => PortError::Credentials {
                        message: format!("{server} does not accept these credentials: {message}"),
                    },
                    403 => PortError::Forbidden { what: what.to_owned(), message },
                    code => PortError::Other { message: format!("cannot {what}: {code} {message}") },
                }
            }
        }
    }

    /// The status code of a refusal.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Answer(answer) => Some(answer.code),
            Self::Credentials(_) | Self::NotSent(_) | Self::Lost(_) | Self::Garbled(_) => None,
        }
    }

    /// Whether waiting does not mend it: rights or credentials.
    pub(super) fn is_refused(&self) -> bool {
        match self {
            Self::Credentials(_) => true,
            Self::Answer(answer) => matches!(answer.code, 401 | 403),
            Self::NotSent(_) | Self::Lost(_) | Self::Garbled(_) => false,
        }
    }

    /// Whether the server said yes in words that make no sense to us.
    pub(super) fn is_garbled(&self) -> bool {
        match self {
            Self::Garbled(_) => true,
            Self::Credentials(_) | Self::NotSent(_) | Self::Lost(_) | Self::Answer(_) => false,
        }
    }

    /// One line for a log.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Credentials(error) => error.to_string(),
            Self::NotSent(message) | Self::Lost(message) | Self::Garbled(message) => message.clone(),
            Self::Answer(answer) => format!("{} {}", answer.code, answer.message()),
        }
    }
}

impl From<Box<Status>> for Failure {
    fn from(status: Box<Status>) -> Self {
        Self::Answer(Box::new(Answer { code: status.code, retry_after: None, status: *status }))
    }
}

impl From<kube::Error> for Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "kube's errors, most of which never come of a request")]
    fn from(error: kube::Error) -> Self {
        match error {
            // An event that cannot be read is tried as a `Status` by kube (5.0.0, `Client::request_events`), whose fields
            // may all be missing: it then comes as a refusal that says nothing.
            kube::Error::Api(status) if status.code == 0 && status.message.is_empty() => {
                Self::Garbled("an event that cannot be read".to_owned())
            }
            kube::Error::Api(status) => status.into(),
            kube::Error::Auth(error) => Self::Credentials(PortError::Credentials { message: auth_text(&error) }),
            kube::Error::Service(error) => {
                if let Some(NoToken(error)) = error.downcast_ref() {
                    return Self::Credentials(error.clone());
                }
                if let Some(error) = error.downcast_ref::<AuthError>() {
                    return Self::Credentials(PortError::Credentials { message: auth_text(error) });
                }
                let text = chain(error.as_ref()).trim_start_matches("client error (Connect): ").to_owned();
                if never_connected(error.as_ref()) { Self::NotSent(text) } else { Self::Lost(text) }
            }
            kube::Error::SerdeError(error) => Self::Garbled(error.to_string()),
            other => Self::Lost(chain(&other)),
        }
    }
}

/// Whether a request failed before its first byte left: hyper's `Connect` errors, whose kind is not public.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string() == "client error (Connect)" {
            return true;
        }
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error and its sources in one line, each said once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text
}

/// Why credentials could not be had. A credential command's output is left out: it may hold what must not be shown.
#[expect(clippy::wildcard_enum_match_arm, reason = "kube's errors; the others quote nothing")]
pub(super) fn auth_text(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(source) => format!("the credential command does not start: {source}"),
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            format!("the credential command failed ({}): {last}", out.status)
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the credential command did not print an ExecCredential with a status".to_owned()
        }
        other => chain(other),
    }
}
