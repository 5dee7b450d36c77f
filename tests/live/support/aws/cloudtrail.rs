//! CloudTrail's JSON protocol: who did what, of what was done here.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{
    eks::flatten,
    query::unknown,
    service::{Answer, Body, Refused, Request},
    state::State,
};

const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.";

pub fn understand(headers: &HeaderMap, body: &[u8]) -> Option<Request> {
    let operation = headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET)?.to_owned();
    let mut params = BTreeMap::new();
    flatten("", &serde_json::from_slice(body).ok()?, &mut params);
    Some(Request { service: "cloudtrail", operation, params })
}

pub fn perform(state: &State, request: &Request) -> Result<Answer, Refused> {
    match request.operation.as_str() {
        "LookupEvents" => Ok(lookup(state, request)),
        operation => Err(unknown(operation)),
    }
}

/// The newest first, of an event's name or of a resource's.
fn lookup(state: &State, request: &Request) -> Answer {
    let wanted = |key: &str| {
        let attributes: Value = serde_json::from_str(request.get("LookupAttributes")?).ok()?;
        let wanted = attributes.as_array()?.iter().find(|attribute| attribute["AttributeKey"] == key)?;
        Some(wanted["AttributeValue"].as_str()?.to_owned())
    };
    let (event, resource) = (wanted("EventName"), wanted("ResourceName"));
    let is_it = |action: &str, params: &BTreeMap<String, String>| {
        let (_, name) = action.split_once(':').unwrap_or_default();
        event.as_deref().is_none_or(|event| event == name)
            && resource.as_ref().is_none_or(|resource| params.values().any(|value| value == resource))
    };
    let events = state.calls.iter().rev().filter(|call| is_it(&call.action, &call.params)).map(|call| {
        let (service, name) = call.action.split_once(':').unwrap_or_default();
        json!({
            "EventName": name,
            "EventSource": format!("{service}.amazonaws.com"),
            "EventTime": call.at.as_second(),
            "AccessKeyId": call.access_key,
        })
    });
    Answer { status: 200, body: Body::Json(json!({ "Events": events.collect::<Vec<_>>() })) }
}
