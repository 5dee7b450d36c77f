//! What AWS answers when it says no, read in one place and sorted by what one does about it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::redact;
use crate::ports::{Outcome, PortError, Refusal};

/// Codes that ask for fewer requests.
pub(super) const THROTTLING: [&str; 8] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
];

/// Codes of Auto Scaling that say "not now": another activity of the group is under way.
pub(super) const BUSY: [&str; 4] =
    ["ScalingActivityInProgress", "ScalingActivityInProgressFault", "ResourceContention", "ResourceContentionFault"];

const FORBIDDEN: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "OptInRequired"];

const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];

const WRONG_KEYS: [&str; 8] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "AuthFailure",
];

/// Whose credentials they are, so that a message can say how to renew them.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// `--profile` or AWS_PROFILE.
    pub(super) profile: Option<String>,
    /// The region that is asked.
    pub(super) region: String,
    /// An address that the user set instead of AWS's own.
    pub(super) endpoint: Option<String>,
}

/// One call that brought no answer one can use.
#[derive(Debug)]
pub(super) struct CallError {
    action: &'static str,
    object: String,
    failure: Failure,
    account: Account,
}

#[derive(Debug)]
enum Failure {
    Throttled,
    Forbidden(String),
    /// What is wrong with the credentials.
    Credentials(String),
    Refused {
        status: u16,
        code: String,
        message: String,
    },
    /// The request may have been done all the same.
    Unanswered(String),
    /// The request was never sent.
    Unsent(String),
}

impl CallError {
    /// Sorts what an SDK client returned.
    pub(super) fn of<E>(
        account: &Account,
        action: &'static str,
        object: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let failure = match error {
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                answered(status, context.err().code(), context.err().message())
            }
            SdkError::ResponseError(context) => {
                let status = context.raw().status().as_u16();
                Failure::Unanswered(format!("an answer that is not AWS's (HTTP {status})"))
            }
            SdkError::TimeoutError(_) => Failure::Unanswered("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) if error.is_user() => unsent(error),
                Some(error) => lost(error),
                None => Failure::Unanswered("the connection broke".to_owned()),
            },
            SdkError::ConstructionFailure(_) => unsent(error),
            // What the SDK may add later: nothing is known of it, so it may have been done.
            _ => lost(error),
        };
        Self { action, object: object.to_owned(), failure, account: account.clone() }
    }

    /// The server's own code, where it answered with one.
    pub(super) fn code(&self) -> Option<&str> {
        match &self.failure {
            Failure::Refused { code, .. } => Some(code),
            Failure::Throttled
            | Failure::Forbidden(_)
            | Failure::Credentials(_)
            | Failure::Unanswered(_)
            | Failure::Unsent(_) => None,
        }
    }

    /// Whether AWS asked for fewer requests.
    pub(super) fn is_throttled(&self) -> bool {
        matches!(self.failure, Failure::Throttled)
    }

    /// Whether it may pass by itself: an older reading is better than none meanwhile.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.failure, Failure::Throttled | Failure::Unanswered(_))
    }

    /// For a reading.
    pub(super) fn into_port(self) -> PortError {
        let (action, object) = (self.action, self.object);
        match self.failure {
            Failure::Throttled => PortError::Unreachable {
                server: self.account.server(action),
                message: format!("{action} {object}: it keeps asking for fewer requests"),
            },
            Failure::Forbidden(message) => {
                PortError::Forbidden { what: action.to_owned(), message: format!("{object}: {message}") }
            }
            Failure::Credentials(message) => PortError::Credentials { message: self.account.advice(&message) },
            Failure::Refused { code, message, .. } => {
                PortError::Other { message: format!("{action} {object}: {}", coded(&code, &message)) }
            }
            Failure::Unanswered(message) => {
                PortError::Unreachable { server: self.account.server(action), message: format!("{object}: {message}") }
            }
            Failure::Unsent(message) => PortError::Other { message: format!("{action} {object}: {message}") },
        }
    }

    /// For an act. Only an answer counts as a refusal; without one, the act may be done.
    pub(super) fn into_outcome(self) -> Outcome {
        let (action, object) = (self.action, self.object);
        let refusal = match self.failure {
            Failure::Throttled => Refusal::Throttled { after: None },
            Failure::Forbidden(message) => {
                Refusal::Forbidden { message: format!("no right to {action} on {object}: {message}") }
            }
            Failure::Credentials(message) => {
                Refusal::Forbidden { message: format!("{action} {object}: {}", self.account.advice(&message)) }
            }
            Failure::Refused { code, message, .. } if is_missing(&code, &message) => Refusal::Gone,
            Failure::Refused { code, message, .. } if code == "ResourceInUseException" => {
                Refusal::Conflict { message: format!("{action} {object}: {message}") }
            }
            Failure::Refused { status, code, message } => {
                Refusal::Failed { code: status, message: format!("{action} {object}: {}", coded(&code, &message)) }
            }
            Failure::Unsent(message) => Refusal::Failed { code: 0, message: format!("{action} {object}: {message}") },
            Failure::Unanswered(message) => return Outcome::Unknown(format!("{action} {object}: {message}")),
        };
        Outcome::Refused(refusal)
    }
}

impl Account {
    /// What is wrong with the credentials, and what to do about it.
    pub(super) fn advice(&self, wrong: &str) -> String {
        match &self.profile {
            Some(profile) => format!(
                "{wrong} (profile {profile}): run `aws sso login --profile {profile}` if it signs in through SSO, else renew its keys"
            ),
            None => format!(
                "{wrong}: set --profile or AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
        }
    }

    fn server(&self, action: &str) -> String {
        let service = action.split(':').next().unwrap_or(action);
        match &self.endpoint {
            Some(endpoint) => format!("{service} at {endpoint}"),
            None => format!("{service} in {}", self.region),
        }
    }
}

/// What is wrong when no credentials could be found, in words of ours: a provider's own may quote what it read.
pub(super) fn credentials_trouble(error: &CredentialsError) -> String {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => "no AWS credentials were found".to_owned(),
        CredentialsError::ProviderTimedOut(_) => "the AWS credentials did not come in time".to_owned(),
        CredentialsError::InvalidConfiguration(_)
        | CredentialsError::ProviderError(_)
        | CredentialsError::Unhandled(_)
        | _ => {
            let cause = innermost(error);
            // What a credential process wrote to its error output may be anything.
            let cause = cause.split("Stderr:").next().unwrap_or_default();
            let cause = redact::message(cause);
            format!("the AWS credentials cannot be used: {}", cause.trim_end_matches('.'))
        }
    }
}

fn answered(status: u16, code: Option<&str>, message: Option<&str>) -> Failure {
    let code = code.unwrap_or_default();
    let said = || redact::message(message.unwrap_or("AWS gives no reason"));
    if THROTTLING.contains(&code) || BUSY.contains(&code) || status == 429 {
        Failure::Throttled
    } else if FORBIDDEN.contains(&code) {
        Failure::Forbidden(said())
    } else if EXPIRED.contains(&code) {
        Failure::Credentials("the AWS credentials have expired".to_owned())
    } else if WRONG_KEYS.contains(&code) {
        // Never the server's own words: with SignatureDoesNotMatch they repeat the request, session token and all.
        Failure::Credentials(format!("AWS does not accept the credentials ({code})"))
    } else if status >= 500 {
        Failure::Unanswered(format!("HTTP {status} {code}").trim_end().to_owned())
    } else if code.is_empty() && message.is_none() {
        // Every refusal of AWS's says something: this is a proxy's or a wrong endpoint's.
        Failure::Unanswered(format!("an answer that is not AWS's (HTTP {status})"))
    } else {
        Failure::Refused { status, code: code.to_owned(), message: said() }
    }
}

/// AWS's code before its message, where it gave one.
fn coded(code: &str, message: &str) -> String {
    if code.is_empty() { message.to_owned() } else { format!("{code}: {message}") }
}

/// No answer: credentials that could not be had are told from a connection that broke.
fn lost(error: &(dyn Error + 'static)) -> Failure {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(credentials) = error.downcast_ref::<CredentialsError>() {
            return Failure::Credentials(credentials_trouble(credentials));
        }
        next = error.source();
    }
    Failure::Unanswered(redact::message(&innermost(error)))
}

/// Nothing was sent.
fn unsent(error: &(dyn Error + 'static)) -> Failure {
    let failure = lost(error);
    if let Failure::Unanswered(message) = failure { Failure::Unsent(message) } else { failure }
}

/// The last of the chain of causes, which says most.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Auto Scaling has no code for an instance that it does not know.
fn is_missing(code: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == "ValidationError" && message.contains("instance") && message.contains("not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_code_leaves_no_gap_and_one_without_a_word_is_not_taken_for_aws() {
        let read = |status, code, message| {
            let account = Account { region: "eu-west-1".to_owned(), ..Account::default() };
            let failure = answered(status, code, message);
            let object = "cluster/prod".to_owned();
            CallError { action: "eks:DescribeCluster", object, failure, account }.into_port().to_string()
        };
        assert_eq!(
            read(404, None, None),
            "eks in eu-west-1 does not answer: cluster/prod: an answer that is not AWS's (HTTP 404)"
        );
        assert_eq!(read(400, None, Some("no such thing")), "eks:DescribeCluster cluster/prod: no such thing");
        assert_eq!(read(400, Some("Odd"), None), "eks:DescribeCluster cluster/prod: Odd: AWS gives no reason");
    }
}
