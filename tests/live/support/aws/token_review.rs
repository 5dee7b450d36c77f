//! The API server's token webhook: who is it that holds this token?
//!
//! EKS sends the presigned request to STS. Here the keys are known, so the request is signed again and compared: a token
//! for another cluster, or of a wrong secret, has another signature.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

use super::{service::parameters, state::State, world::Key};

/// As long as EKS takes a token, whatever it says itself.
const VALID: SignedDuration = SignedDuration::from_mins(15);

/// Answers a `TokenReview`. The token itself is never written anywhere.
pub fn review(state: &mut State, body: &[u8], now: Timestamp) -> Value {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let token = asked["spec"]["token"].as_str().unwrap_or_default();
    state.reviews.0 += 1;
    let status = match identify(state, token, now) {
        Ok(key) => {
            // EKS's form; never the key's id, which has no business in an audit log.
            let uid = format!("aws-iam-authenticator:111122223333:AIDA{}", key.user.to_uppercase());
            json!({ "authenticated": true, "user": { "username": key.user, "uid": uid, "groups": key.groups } })
        }
        Err(why) => json!({ "authenticated": false, "error": why }),
    };
    if status["authenticated"] == json!(true) {
        state.reviews.1 += 1;
    }
    json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status })
}

fn identify<'a>(state: &'a State, token: &str, now: Timestamp) -> Result<&'a Key, String> {
    let encoded = token.strip_prefix("k8s-aws-v1.").ok_or("not a token of EKS")?;
    let url = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| "not base64url without padding")?;
    let url = String::from_utf8(url).map_err(|_| "not a URL")?;
    let (address, query) = url.split_once("/?").ok_or("a URL without query")?;
    let params = parameters(query).ok_or("a query that cannot be read")?;
    let get = |name: &str| params.get(name).map(String::as_str).ok_or_else(|| format!("no {name}"));
    if get("Action")? != "GetCallerIdentity" || get("Version")? != "2011-06-15" {
        return Err("another action than GetCallerIdentity".into());
    }
    let headers: Vec<_> = get("X-Amz-SignedHeaders")?.split(';').collect();
    if !headers.contains(&"x-k8s-aws-id") || !headers.contains(&"host") {
        return Err("the signature does not cover the cluster's name".into());
    }
    let expires: u64 = get("X-Amz-Expires")?.parse().map_err(|_| "X-Amz-Expires is no number")?;
    if expires > 900 {
        return Err("X-Amz-Expires is more than 900".into());
    }
    let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", get("X-Amz-Date")?).map_err(|_| "X-Amz-Date is no moment")?;
    let signed_at = signed_at.to_zoned(TimeZone::UTC).map_err(|_| "X-Amz-Date is no moment")?.timestamp();
    if now.duration_since(signed_at) > VALID || state.faults.expired {
        return Err("the token has expired".into());
    }
    let scope: Vec<_> = get("X-Amz-Credential")?.split('/').collect();
    let [id, _, region, "sts", "aws4_request"] = scope[..] else { return Err("X-Amz-Credential is odd".into()) };
    let key = state.world.keys.iter().find(|key| key.id == id).ok_or("an access key that nobody has")?;
    let wanted = signature(key, address, region, &state.world.cluster, expires, signed_at).ok_or("cannot be signed")?;
    if wanted == get("X-Amz-Signature")? {
        Ok(key)
    } else {
        Err("the signature is for another cluster or secret".into())
    }
}

fn signature(key: &Key, address: &str, region: &str, cluster: &str, expires: u64, at: Timestamp) -> Option<String> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(expires));
    let identity = Credentials::new(&*key.id, &*key.secret, key.session.clone(), None, "review").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::from(at))
        .settings(settings)
        .build()
        .ok()?
        .into();
    let uri = format!("{address}/?Action=GetCallerIdentity&Version=2011-06-15");
    let headers = BTreeMap::from([("x-k8s-aws-id", cluster)]);
    let request = SignableRequest::new("GET", uri, headers.into_iter(), SignableBody::Bytes(&[])).ok()?;
    Some(sign(request, &params).ok()?.into_parts().1)
}
