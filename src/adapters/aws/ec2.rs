//! What we ask EC2: which versions of a launch template `$Latest` and `$Default` are, and how full subnets are.
//!
//! aws-sdk-ec2 takes eight minutes and eight gigabytes to build; two requests of EC2's Query protocol take this file.
//! It goes through the same orchestrator as the SDK's clients: their connections, timeouts and retries.

use std::{error::Error, fmt, time::SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::context::InterceptorContext,
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        retries::classifiers::{ClassifyRetry, RetryAction},
    },
};
use aws_smithy_types::{
    body::SdkBody,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
};
use aws_smithy_xml::decode::XmlDecodeError;

use super::{
    actions, ec2_answers,
    endpoint::{self, Service},
    error::{Account, CallError, THROTTLING},
    session,
};
use crate::{domain::Subnet, ports::PortError};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// How a launch template is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TemplateKey {
    /// `lt-…`
    Id(String),
    /// By name only.
    Name(String),
}

/// What EC2 says about a launch template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// `lt-…`
    pub(super) id: String,
    /// What `$Default` means.
    pub(super) default: String,
    /// What `$Latest` means.
    pub(super) latest: String,
}

/// A client for EC2's Query protocol.
#[derive(Clone)]
pub(super) struct Ec2 {
    config: SdkConfig,
    account: Account,
    address: String,
    templates: Operation<Signed, Template, Ec2Error>,
    subnets: Operation<Signed, Vec<Subnet>, Ec2Error>,
}

/// Subnets by their ids, `subnet-…`.
#[derive(Clone, Debug)]
pub(super) struct SubnetIds(pub(super) Vec<String>);

/// A request that is signed and ready.
#[derive(Clone)]
struct Signed(http::Request<String>);

/// EC2's own error answer.
#[derive(Debug)]
struct Ec2Error(ErrorMetadata);

impl Ec2 {
    pub(super) fn new(config: &SdkConfig, account: &Account) -> Self {
        let address = endpoint::of(Service::Ec2, config, &account.region);
        let templates = operation(config, &address, "DescribeLaunchTemplates", ec2_answers::template);
        let subnets = operation(config, &address, "DescribeSubnets", ec2_answers::subnets);
        Self { config: config.clone(), account: account.clone(), address, templates, subnets }
    }

    /// Asks for one template.
    pub(super) async fn template(&self, key: &TemplateKey) -> Result<Template, PortError> {
        let object = key.to_string();
        let (field, value) = match key {
            TemplateKey::Id(id) => ("LaunchTemplateId.1", id),
            TemplateKey::Name(name) => ("LaunchTemplateName.1", name),
        };
        let signed = self.signed("DescribeLaunchTemplates", &[(field.to_owned(), value)]).await?;
        self.templates.invoke(signed).await.map_err(|error| {
            let failure = CallError::of(&self.account, actions::DESCRIBE_TEMPLATES, &object, &error);
            if failure.code().is_some_and(|code| code.contains("NotFound")) {
                return PortError::NotFound { what: object, others: Vec::new() };
            }
            failure.into_port()
        })
    }

    /// Asks for these subnets.
    pub(super) async fn subnets(&self, SubnetIds(ids): &SubnetIds) -> Result<Vec<Subnet>, PortError> {
        let fields: Vec<_> = (1..).zip(ids).map(|(number, id)| (format!("SubnetId.{number}"), id)).collect();
        let signed = self.signed("DescribeSubnets", &fields).await?;
        let failed =
            |error| CallError::of(&self.account, actions::DESCRIBE_SUBNETS, &ids.join(", "), &error).into_port();
        self.subnets.invoke(signed).await.map_err(failed)
    }

    async fn signed(&self, action: &str, fields: &[(String, &String)]) -> Result<Signed, PortError> {
        let credentials = session::credentials(&self.config, &self.account).await?;
        let fields: String = fields.iter().map(|(field, value)| format!("&{field}={}", encoded(value))).collect();
        let body = format!("Action={action}&Version=2016-11-15{fields}");
        let now = SystemTime::now();
        sign_request(&self.address, &self.account.region, body, &credentials, now).ok_or_else(|| PortError::Malformed {
            what: format!("the address of EC2 ({})", self.address),
            message: "no request to it can be signed; see AWS_ENDPOINT_URL".to_owned(),
        })
    }
}

/// A request of the Query protocol, sent as the SDK's clients send theirs.
fn operation<T: fmt::Debug + Send + Sync + 'static>(
    config: &SdkConfig,
    address: &str,
    name: &'static str,
    parse: fn(&str) -> Result<T, XmlDecodeError>,
) -> Operation<Signed, T, Ec2Error> {
    let mut operation = Operation::builder()
        .service_name("EC2")
        .operation_name(name)
        .behavior_version(config.behavior_version().unwrap_or_else(aws_config::BehaviorVersion::latest))
        .endpoint_url(address)
        .no_auth()
        .retry_classifier(Throttled);
    if let Some(client) = config.http_client() {
        operation = operation.http_client(client);
    }
    if let Some(retry) = config.retry_config() {
        operation = operation.standard_retry(retry);
    }
    if let Some(timeouts) = config.timeout_config() {
        operation = operation.timeout_config(timeouts.clone());
    }
    if let Some(sleep) = config.sleep_impl() {
        operation = operation.sleep_impl(sleep);
    }
    if let Some(time) = config.time_source() {
        operation = operation.time_source(time);
    }
    operation
        .serializer(|Signed(request)| request_of(request))
        .deserializer(move |response| read(response, parse))
        .build()
}

/// The signature is good for five minutes, longer than all attempts together.
fn sign_request(
    address: &str,
    region: &str,
    body: String,
    credentials: &Credentials,
    now: SystemTime,
) -> Option<Signed> {
    let uri = format!("{address}/");
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(Service::Ec2.name())
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .ok()?
        .into();
    let headers = [("content-type", FORM)];
    let payload = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", uri.as_str(), headers.into_iter(), payload).ok()?;
    let (instructions, _signature) = sign(signable, &params).ok()?.into_parts();
    let mut request = http::Request::post(uri.as_str())
        .header("content-type", FORM)
        .header("user-agent", concat!("mngup/", env!("CARGO_PKG_VERSION")))
        .body(body.clone())
        .ok()?;
    instructions.apply_to_request_http1x(&mut request);
    Some(Signed(request))
}

/// Percent-encoding of a form's value; template names may hold brackets and slashes.
fn encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(half), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

fn request_of(request: http::Request<String>) -> Result<HttpRequest, BoxError> {
    Ok(HttpRequest::try_from(request.map(SdkBody::from))?)
}

fn read<T>(
    response: &HttpResponse,
    parse: fn(&str) -> Result<T, XmlDecodeError>,
) -> Result<T, OrchestratorError<Ec2Error>> {
    let text = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    if response.status().is_success() {
        return parse(&text).map_err(|error| OrchestratorError::response(error.into()));
    }
    Err(OrchestratorError::operation(Ec2Error(ec2_answers::error(&text))))
}

/// Tells the retry strategy what EC2's codes mean.
#[derive(Debug)]
struct Throttled;

impl ClassifyRetry for Throttled {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let code = error.as_operation_error().and_then(|error| error.downcast_ref::<Ec2Error>()).and_then(|e| e.code());
        match code {
            Some(code) if THROTTLING.contains(&code) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "EC2 throttling"
    }
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Id(key) | Self::Name(key)) = self;
        write!(f, "launch template {key}")
    }
}

/// Without its headers: they carry the signature and a session token.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signed").field(self.0.uri()).finish()
    }
}

impl fmt::Display for Ec2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Ec2Error {}

impl ProvideErrorMetadata for Ec2Error {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_a_form() {
        assert_eq!(encoded("eks (a)/b"), "eks%20%28a%29%2Fb");
    }

    /// What botocore 1.44.5 makes of the same request: `botocore.auth.get_current_datetime` fixed at this time, then
    /// `SigV4Auth(Credentials(id, secret, token), "ec2", "eu-west-1").add_auth(request)` on an `AWSRequest("POST",
    /// address + "/", data=body, headers={"content-type": FORM})`.
    #[test]
    fn a_request_is_signed_as_botocore_signs_it() {
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_323_045); // 2026-01-02T03:04:05Z
        let signed = |token: Option<&str>| {
            let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
            let keys = Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
            let name = encoded("eks (a)/b");
            let body = format!("Action=DescribeLaunchTemplates&Version=2016-11-15&LaunchTemplateName.1={name}");
            let address = "https://ec2.eu-west-1.amazonaws.com";
            let Signed(request) = sign_request(address, "eu-west-1", body, &keys, now).unwrap();
            let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(header("x-amz-date").unwrap(), "20260102T030405Z");
            assert_eq!(header("x-amz-security-token").as_deref(), token);
            let named = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/ec2/aws4_request, SignedHeaders=";
            header("authorization").unwrap().strip_prefix(named).unwrap().to_owned()
        };
        assert_eq!(
            signed(None),
            "content-type;host;x-amz-date, \
             Signature=6d1f07e73299103f9ad118bf5177ab09ee57d34df1248e68661f35d0506d9cd1"
        );
        assert_eq!(
            signed(Some("the-session-token")),
            "content-type;host;x-amz-date;x-amz-security-token, \
             Signature=2ce45f46d77123fd7d720bd06c96e66cbc7515f681e9b10c0962b430d1024eb4"
        );
    }
}
