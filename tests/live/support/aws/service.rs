//! One request: who asks, what is asked, what goes wrong, what is answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    body::Bytes,
    extract::{ConnectInfo, Query, State as Shared},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{
    autoscaling, cloudtrail, ec2, eks,
    faults::Loss,
    listener::Cutter,
    query,
    state::{Call, State},
    token_review,
};

/// What is answered: JSON of EKS, XML of the others.
pub struct Answer {
    pub status: u16,
    pub body: Body,
}

pub enum Body {
    Json(serde_json::Value),
    Xml(String),
}

/// A refusal, in the form of the service.
pub struct Refused {
    pub status: u16,
    pub code: String,
    pub message: String,
}

/// A request, understood as far as to know which action it is.
pub struct Request {
    /// `eks`, `autoscaling`, `ec2`, `sts`, `cloudtrail`
    pub service: &'static str,
    /// `DescribeCluster`
    pub operation: String,
    /// Parameters.
    pub params: BTreeMap<String, String>,
}

impl Request {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// `Name.member.1`, `Name.member.2`, …
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|number| self.get(&format!("{name}.member.{number}"))).collect()
    }
}

impl Refused {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

pub async fn handle(
    Shared(state): Shared<Arc<Mutex<State>>>,
    ConnectInfo(line): ConnectInfo<Cutter>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().expect("no handler panics");
    let now = Timestamp::now();
    state.advance(now);
    if uri.path() == "/token-webhook" {
        return json(200, &token_review::review(&mut state, &body, now));
    }
    let Some(request) = understand(&method, &uri, &headers, &body) else {
        return json(404, &serde_json::json!({ "message": format!("no such operation: {method} {}", uri.path()) }));
    };
    let action = format!("{}:{}", request.service, request.operation);
    let access_key = access_key(&headers);
    let session = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    let loss = state.faults.loses(&action);
    let answer = if loss == Some(Loss::BeforeDoing) {
        Err(Refused::new(0, "Lost", "before it was done"))
    } else {
        permitted(&mut state, &request, &action, access_key.as_deref(), session.as_deref())
            .and_then(|()| perform(&mut state, &request, now))
    };
    // What was asked for begins now, not with the next tick.
    state.advance(now);
    let response = respond(request.service, answer);
    let named = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    state.calls.push(Call {
        at: now,
        action,
        params: request.params,
        access_key: access_key.unwrap_or_default(),
        user_agent: format!("{} {}", named("user-agent"), named("x-amz-user-agent")),
        status: response.status().as_u16(),
        lost: loss.is_some(),
    });
    if loss.is_some() {
        line.cut();
    }
    response
}

fn understand(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Option<Request> {
    if let Some(request) = cloudtrail::understand(headers, body) {
        return Some(request);
    }
    if uri.path() != "/" {
        return eks::understand(method, uri, body);
    }
    let text = if body.is_empty() { uri.query()? } else { std::str::from_utf8(body).ok()? };
    let mut params = parameters(text)?;
    let operation = params.remove("Action")?;
    let service = match params.remove("Version")?.as_str() {
        "2011-01-01" => "autoscaling",
        "2016-11-15" => "ec2",
        "2011-06-15" => "sts",
        _ => return None,
    };
    Some(Request { service, operation, params })
}

/// A form's or a query's parameters.
pub fn parameters(text: &str) -> Option<BTreeMap<String, String>> {
    let uri: Uri = format!("/?{text}").parse().ok()?;
    Query::try_from_uri(&uri).ok().map(|Query(params)| params)
}

fn access_key(headers: &HeaderMap) -> Option<String> {
    let (_, credential) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once("Credential=")?;
    credential.split('/').next().map(str::to_owned)
}

/// Who may not, or not now.
fn permitted(
    state: &mut State,
    request: &Request,
    action: &str,
    key: Option<&str>,
    session: Option<&str>,
) -> Result<(), Refused> {
    let service = request.service;
    let Some(key) = key else {
        return Err(Refused::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"));
    };
    if !state.world.keys.iter().any(|known| known.id == key && known.session.as_deref() == session) {
        let message = "The security token included in the request is invalid.";
        return Err(match service {
            "eks" => Refused::new(403, "UnrecognizedClientException", message),
            "ec2" => Refused::new(401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
            _ => Refused::new(403, "InvalidClientTokenId", message),
        });
    }
    if state.faults.expired {
        let message = "The security token included in the request is expired";
        return Err(match service {
            "eks" => Refused::new(403, "ExpiredTokenException", message),
            "ec2" => Refused::new(400, "RequestExpired", "Request has expired."),
            _ => Refused::new(403, "ExpiredToken", message),
        });
    }
    if state.faults.throttles() {
        return Err(match service {
            "eks" => Refused::new(429, "ThrottlingException", "Rate exceeded"),
            "ec2" => Refused::new(503, "RequestLimitExceeded", "Request limit exceeded."),
            _ => Refused::new(400, "Throttling", "Rate exceeded"),
        });
    }
    if state.faults.denied.contains(action) {
        let user = "arn:aws:sts::111122223333:assumed-role/deployer/ci";
        let message = format!(
            "User: {user} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
        );
        return Err(match service {
            "eks" => Refused::new(403, "AccessDeniedException", message),
            "ec2" => Refused::new(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
            _ => Refused::new(403, "AccessDenied", message),
        });
    }
    Ok(())
}

fn perform(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    match request.service {
        "eks" => eks::perform(state, request, now),
        "autoscaling" => autoscaling::perform(state, request, now),
        "ec2" => ec2::perform(state, request, now),
        "cloudtrail" => cloudtrail::perform(state, request),
        _ => query::perform(request),
    }
}

fn respond(service: &str, answer: Result<Answer, Refused>) -> Response {
    match answer {
        Ok(Answer { status, body: Body::Json(value) }) => json(status, &value),
        Ok(Answer { status, body: Body::Xml(text) }) => xml(status, text),
        Err(refused) if service == "eks" => {
            let mut response = json(refused.status.max(400), &serde_json::json!({ "message": refused.message }));
            let code = refused.code.parse().expect("codes are plain words");
            response.headers_mut().insert("x-amzn-errortype", code);
            response
        }
        Err(refused) => xml(refused.status.max(400), query::error(service, &refused)),
    }
}

fn json(status: u16, value: &serde_json::Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn xml(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "text/xml")], text).into_response()
}
