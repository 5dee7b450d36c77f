//! A bearer token that renews itself, in front of kube's client.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;
use kube::client::Body;
use thiserror::Error;
use tokio::sync::Mutex;
use tower_service::Service;

use crate::{domain::later, ports::PortError};

/// How long before its end a token is replaced, so that none runs out on its way.
const EARLY: Duration = Duration::from_mins(2);

/// Makes bearer tokens for an API server.
pub trait TokenSource: Send + Sync + 'static {
    /// Makes a new one.
    fn token(&self) -> BoxFuture<'_, Result<FreshToken, PortError>>;
}

/// A bearer token and when it runs out; the token itself is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshToken {
    /// What goes behind `Bearer`.
    pub token: String,
    /// When the server stops accepting it.
    pub expires_at: Timestamp,
}

impl fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// No token could be had; travels inside kube's errors and is taken out of them by `answer`.
#[derive(Debug, Error)]
#[error(transparent)]
pub(super) struct NoToken(pub(super) PortError);

/// Adds the token to each request, and sends a request that was answered 401 once more with a new one.
pub(super) struct Bearer {
    inner: kube::Client,
    tokens: Arc<Tokens>,
}

impl Bearer {
    pub(super) fn new(inner: kube::Client, source: Arc<dyn TokenSource>) -> Self {
        Self { inner, tokens: Arc::new(Tokens { source, current: Mutex::new(None) }) }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Request<Body>> for Bearer {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (inner, tokens) = (self.inner.clone(), Arc::clone(&self.tokens));
        Box::pin(async move {
            let again = copy(&request);
            let token = tokens.current().await?;
            let response = inner.send(with_token(request, &token)?).await?;
            let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
                return Ok(response);
            };
            // The server refused it before it did anything, so that sending once more is safe for every verb.
            let renewed = tokens.instead_of(&token).await?;
            Ok(inner.send(with_token(again, &renewed)?).await?)
        })
    }
}

fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let body = request.body().try_clone()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn with_token(mut request: Request<Body>, token: &FreshToken) -> Result<Request<Body>, NoToken> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.token)).map_err(|_| {
        NoToken(PortError::Credentials { message: "the bearer token holds bytes that no header may hold".to_owned() })
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(request)
}

struct Tokens {
    source: Arc<dyn TokenSource>,
    current: Mutex<Option<FreshToken>>,
}

impl Tokens {
    async fn current(&self) -> Result<FreshToken, NoToken> {
        let mut current = self.current.lock().await;
        let now = Timestamp::now();
        if let Some(token) = current.as_ref().filter(|token| later(now, EARLY) < token.expires_at) {
            return Ok(token.clone());
        }
        match (self.source.token().await, current.as_ref()) {
            (Ok(fresh), _) => Ok(current.insert(fresh).clone()),
            (Err(error), Some(known)) if now < known.expires_at => {
                tracing::warn!(%error, expires_at = %known.expires_at, "cannot renew the token for the API server yet");
                Ok(known.clone())
            }
            (Err(error), _) => Err(NoToken(error)),
        }
    }

    /// A token that is not this refused one; whoever comes second finds the one that the first made.
    async fn instead_of(&self, refused: &FreshToken) -> Result<FreshToken, NoToken> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| *token != refused) {
            return Ok(token.clone());
        }
        let fresh = self.source.token().await.map_err(NoToken)?;
        Ok(current.insert(fresh).clone())
    }
}
