//! The one thing we ask EC2: which versions of a launch template `$Latest` and `$Default` are.
//!
//! aws-sdk-ec2 takes eight minutes and eight gigabytes to build; one request of EC2's Query protocol takes this file.
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
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};

use super::{
    actions,
    endpoint::{self, Service},
    error::{Account, CallError, THROTTLING},
    session,
};
use crate::ports::PortError;

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
    operation: Operation<Signed, Template, Ec2Error>,
}

/// A request that is signed and ready.
#[derive(Clone)]
struct Signed(http::Request<String>);

/// EC2's own error answer.
#[derive(Debug)]
struct Ec2Error(ErrorMetadata);

impl Ec2 {
    pub(super) fn new(config: &SdkConfig, account: &Account) -> Self {
        let address = endpoint::of(Service::Ec2, config, &account.region);
        let mut operation = Operation::builder()
            .service_name("EC2")
            .operation_name("DescribeLaunchTemplates")
            .behavior_version(config.behavior_version().unwrap_or_else(aws_config::BehaviorVersion::latest))
            .endpoint_url(&address)
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
        let operation = operation.serializer(|Signed(request)| request_of(request)).deserializer(read).build();
        Self { config: config.clone(), account: account.clone(), address, operation }
    }

    /// Asks for one template.
    pub(super) async fn template(&self, key: &TemplateKey) -> Result<Template, PortError> {
        let object = key.to_string();
        let credentials = session::credentials(&self.config, &self.account).await?;
        let now = SystemTime::now();
        let signed = sign_request(&self.address, &self.account.region, key, &credentials, now).ok_or_else(|| {
            PortError::Malformed {
                what: format!("the address of EC2 ({})", self.address),
                message: "no request to it can be signed; see AWS_ENDPOINT_URL".to_owned(),
            }
        })?;
        self.operation.invoke(signed).await.map_err(|error| {
            let failure = CallError::of(&self.account, actions::DESCRIBE_TEMPLATES, &object, &error);
            if failure.code().is_some_and(|code| code.contains("NotFound")) {
                return PortError::NotFound { what: object, others: Vec::new() };
            }
            failure.into_port()
        })
    }
}

/// The signature is good for five minutes, longer than all attempts together.
fn sign_request(
    address: &str,
    region: &str,
    key: &TemplateKey,
    credentials: &Credentials,
    now: SystemTime,
) -> Option<Signed> {
    let (field, value) = match key {
        TemplateKey::Id(id) => ("LaunchTemplateId.1", id),
        TemplateKey::Name(name) => ("LaunchTemplateName.1", name),
    };
    let body = format!("Action=DescribeLaunchTemplates&Version=2016-11-15&{field}={}", encoded(value));
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

fn read(response: &HttpResponse) -> Result<Template, OrchestratorError<Ec2Error>> {
    let text = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    if response.status().is_success() {
        return parse_template(&text).map_err(|error| OrchestratorError::response(error.into()));
    }
    Err(OrchestratorError::operation(Ec2Error(parse_error(&text))))
}

fn parse_template(text: &str) -> Result<Template, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    while let Some(mut list) = root.next_tag() {
        if !list.start_el().matches("launchTemplates") {
            continue;
        }
        if let Some(mut item) = list.next_tag() {
            return parse_item(&mut item);
        }
    }
    Err(XmlDecodeError::custom("no launch template in the answer"))
}

fn parse_item(item: &mut ScopedDecoder<'_, '_>) -> Result<Template, XmlDecodeError> {
    let (mut id, mut default, mut latest) = (None, None, None);
    while let Some(mut tag) = item.next_tag() {
        let place = match tag.start_el().local() {
            "launchTemplateId" => &mut id,
            "defaultVersionNumber" => &mut default,
            "latestVersionNumber" => &mut latest,
            _ => continue,
        };
        *place = Some(try_data(&mut tag)?.into_owned());
    }
    let missing = || XmlDecodeError::custom("a launch template without id or versions");
    Ok(Template {
        id: id.ok_or_else(missing)?,
        default: default.ok_or_else(missing)?,
        latest: latest.ok_or_else(missing)?,
    })
}

/// `Response/Errors/Error/{Code, Message}`.
fn parse_error(text: &str) -> ErrorMetadata {
    let mut found = ErrorMetadata::builder();
    let mut document = Document::new(text);
    if let Ok(mut root) = document.root_element()
        && let Some(mut errors) = root.next_tag()
        && let Some(mut error) = errors.next_tag()
    {
        while let Some(mut tag) = error.next_tag() {
            let name = tag.start_el().local().to_owned();
            let Ok(value) = try_data(&mut tag) else { break };
            match name.as_str() {
                "Code" => found = found.code(value),
                "Message" => found = found.message(value),
                _ => {}
            }
        }
    }
    found.build()
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
    fn an_answer_is_read_as_ec2_documents_it() {
        let text = r#"<DescribeLaunchTemplatesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
            <requestId>1afa6e44</requestId>
            <launchTemplates><item>
                <createTime>2017-10-31T11:38:52.000Z</createTime>
                <defaultVersionNumber>3</defaultVersionNumber>
                <latestVersionNumber>7</latestVersionNumber>
                <launchTemplateId>lt-0a4</launchTemplateId>
                <launchTemplateName>eks-nodes</launchTemplateName>
            </item></launchTemplates></DescribeLaunchTemplatesResponse>"#;
        let template = parse_template(text).unwrap();
        assert_eq!(template, Template { id: "lt-0a4".into(), default: "3".into(), latest: "7".into() });
        assert!(parse_template("<R><launchTemplates/></R>").is_err());
    }

    #[test]
    fn an_error_is_read_as_ec2_documents_it() {
        let text = "<Response><Errors><Error><Code>InvalidLaunchTemplateId.NotFound</Code>\
                    <Message>The specified launch template does not exist.</Message></Error></Errors></Response>";
        let error = parse_error(text);
        assert_eq!(error.code(), Some("InvalidLaunchTemplateId.NotFound"));
        assert_eq!(parse_error("<html>").code(), None);
    }

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
            let key = TemplateKey::Name("eks (a)/b".into());
            let address = "https://ec2.eu-west-1.amazonaws.com";
            let Signed(request) = sign_request(address, "eu-west-1", &key, &keys, now).unwrap();
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
