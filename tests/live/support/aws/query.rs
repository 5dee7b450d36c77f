//! The Query protocol: answers, errors, and the smallest service, STS.

use super::{
    service::{Answer, Body, Refused, Request},
    xml::{leaf, node},
};

const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// An answer, with a request id as each has one.
pub fn answer(namespace: &str, operation: &str, result: &str) -> Answer {
    let metadata = node("ResponseMetadata", &leaf("RequestId", "7c6e177f-f082-11e1-ac58-3714bEXAMPLE"));
    let text = format!("<{operation}Response xmlns=\"{namespace}\">{result}{metadata}</{operation}Response>");
    Answer { status: 200, body: Body::Xml(text) }
}

/// A refusal: EC2 writes it another way than the rest.
pub fn error(service: &str, refused: &Refused) -> String {
    let (code, message) = (leaf("Code", &refused.code), leaf("Message", &refused.message));
    if service == "ec2" {
        let error = node("Errors", &node("Error", &format!("{code}{message}")));
        return node("Response", &format!("{error}{}", leaf("RequestID", "ea966190-f9aa-478e-9ede-example")));
    }
    let fault = leaf("Type", if refused.status < 500 { "Sender" } else { "Receiver" });
    let error = node("Error", &format!("{fault}{code}{message}"));
    node("ErrorResponse", &format!("{error}{}", leaf("RequestId", "7c6e177f-f082-11e1-ac58-3714bEXAMPLE")))
}

/// What STS answers.
pub fn perform(request: &Request) -> Result<Answer, Refused> {
    match request.operation.as_str() {
        "GetCallerIdentity" => {
            let identity = leaf("Arn", "arn:aws:iam::111122223333:user/ci")
                + &leaf("UserId", "AIDAEXAMPLE")
                + &leaf("Account", "111122223333");
            Ok(answer(STS, "GetCallerIdentity", &node("GetCallerIdentityResult", &identity)))
        }
        operation => Err(unknown(operation)),
    }
}

/// There is no such operation.
pub fn unknown(operation: &str) -> Refused {
    let message = format!("Could not find operation {operation} for version NO_VERSION_SPECIFIED");
    Refused::new(400, "InvalidAction", message)
}
