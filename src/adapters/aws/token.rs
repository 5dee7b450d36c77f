//! Tokens for an EKS API server, made here: a signed request that the server may send to STS to learn who we are.
//!
//! The form is aws-iam-authenticator's and `aws eks get-token`'s: a presigned `GetCallerIdentity` whose signature
//! covers the cluster's name, so that a token for one cluster does not open another.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::{
    endpoint::{self, Service},
    session::Session,
};
use crate::{
    domain::{ClusterName, later},
    ports::PortError,
};

const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// What the signature says; the server takes it for 15 minutes all the same, and older ones refuse another number.
const SIGNED_FOR: Duration = Duration::from_mins(1);
/// A minute less than the server's 15, for clocks that disagree.
const VALID_FOR: Duration = Duration::from_mins(14);

/// Makes bearer tokens for one cluster.
#[derive(Clone, Debug)]
pub struct EksToken {
    session: Session,
    cluster: ClusterName,
}

/// A token and until when it opens the door.
#[derive(Clone)]
pub struct BearerToken {
    /// `k8s-aws-v1.…`
    pub token: String,
    /// When a new one is needed.
    pub expires_at: Timestamp,
}

impl EksToken {
    pub(super) fn new(session: Session, cluster: ClusterName) -> Self {
        Self { session, cluster }
    }

    /// Makes a new token; nothing is sent for it, unless credentials must be renewed first.
    ///
    /// # Errors
    /// When there are no credentials that can be used.
    pub async fn token(&self) -> Result<BearerToken, PortError> {
        let credentials = self.session.credentials().await?;
        let address = endpoint::of(Service::Sts, self.session.config(), self.session.region());
        make(&credentials, &address, self.session.region(), &self.cluster, SystemTime::now()).ok_or_else(|| {
            PortError::Malformed {
                what: format!("the address of STS ({address})"),
                message: "no request to it can be signed; see AWS_ENDPOINT_URL".to_owned(),
            }
        })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Signs; none when the address is not one. The signer's own error is dropped, for it may quote the request.
fn make(
    credentials: &Credentials,
    address: &str,
    region: &str,
    cluster: &ClusterName,
    now: SystemTime,
) -> Option<BearerToken> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(SIGNED_FOR);
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(Service::Sts.name())
        .time(now)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let uri = format!("{address}/?Action=GetCallerIdentity&Version=2011-06-15");
    let headers = [(CLUSTER_HEADER, cluster.as_str())];
    let signable = SignableRequest::new("GET", uri.as_str(), headers.into_iter(), SignableBody::Bytes(&[])).ok()?;
    let (instructions, _signature) = sign(signable, &params).ok()?.into_parts();
    let mut request = http::Request::get(uri.as_str()).body(()).ok()?;
    instructions.apply_to_request_http1x(&mut request);

    let made = Timestamp::try_from(now).ok()?;
    let credentials_end = credentials.expiry().and_then(|end| Timestamp::try_from(end).ok());
    let expires_at = later(made, VALID_FOR).min(credentials_end.unwrap_or(Timestamp::MAX));
    let token = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(request.uri().to_string()));
    Some(BearerToken { token, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-11-21T08:00:00Z
    fn began() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(489_920)
    }

    fn made(session_token: Option<&str>, expiry: Option<SystemTime>) -> (String, BearerToken) {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session_token.map(str::to_owned),
            expiry,
            "test",
        );
        let now = began();
        let cluster = ClusterName::new("prod");
        let token = make(&credentials, "https://sts.eu-west-1.amazonaws.com", "eu-west-1", &cluster, now).unwrap();
        let url = BASE64_URL_SAFE_NO_PAD.decode(token.token.strip_prefix(PREFIX).unwrap()).unwrap();
        (String::from_utf8(url).unwrap(), token)
    }

    #[test]
    fn a_token_is_the_presigned_request_that_the_authenticator_expects() {
        let (url, token) = made(None, None);
        // The signature was computed with botocore for the same keys, moment and cluster.
        assert_eq!(
            url,
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20251121%2Feu-west-1%2Fsts%2Faws4_request\
             &X-Amz-Date=20251121T080000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
             &X-Amz-Signature=84f507888a9dfc67195ee7b097e7930e2d25bc398b717fbacea3ed653a366e7d"
        );
        assert_eq!(token.expires_at.to_string(), "2025-11-21T08:14:00Z");
        assert!(!token.token.contains('='));
    }

    #[test]
    fn a_session_token_is_part_of_it_and_the_end_of_the_session_ends_it() {
        let end = began() + Duration::from_mins(5);
        let (url, token) = made(Some("FwoGZXIvYXdz/+="), Some(end));
        assert!(url.contains("X-Amz-Security-Token=FwoGZXIvYXdz%2F%2B%3D"), "{url}");
        assert_eq!(token.expires_at.to_string(), "2025-11-21T08:05:00Z");
        assert!(!format!("{token:?}").contains("k8s-aws-v1"));
    }
}
