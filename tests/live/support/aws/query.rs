//! The Query protocol: errors, and the two small services, EC2 and STS.

use super::{
    service::{Answer, Body, Refused, Request},
    state::State,
    xml::{leaf, node},
};

const EC2: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
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

pub fn perform(state: &State, service: &str, request: &Request) -> Result<Answer, Refused> {
    match (service, request.operation.as_str()) {
        ("ec2", "DescribeLaunchTemplates") => describe_launch_templates(state, request),
        ("ec2", "DescribeSubnets") => Ok(describe_subnets(state, request)),
        ("sts", "GetCallerIdentity") => {
            let identity = leaf("Arn", "arn:aws:iam::111122223333:user/ci")
                + &leaf("UserId", "AIDAEXAMPLE")
                + &leaf("Account", "111122223333");
            Ok(answer(STS, "GetCallerIdentity", &node("GetCallerIdentityResult", &identity)))
        }
        (_, operation) => Err(Refused::new(
            400,
            "InvalidAction",
            format!("Could not find operation {operation} for version NO_VERSION_SPECIFIED"),
        )),
    }
}

fn describe_launch_templates(state: &State, request: &Request) -> Result<Answer, Refused> {
    let templates = &state.asg.config().templates;
    let (found, missing) = match (request.get("LaunchTemplateId.1"), request.get("LaunchTemplateName.1")) {
        (Some(id), _) => (templates.get_key_value(id), "InvalidLaunchTemplateId.NotFound"),
        (None, Some(name)) => (
            templates.iter().find(|(_, template)| template.name == name),
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        (None, None) => (None, "MissingParameter"),
    };
    let Some((id, template)) = found else {
        return Err(Refused::new(
            400,
            missing,
            "At least one of the launch templates specified in the request does not exist.",
        ));
    };
    let item = leaf("createTime", "2026-01-02T03:04:05.000Z")
        + &leaf("createdBy", "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAmazonEKSNodegroup/EKS")
        + &leaf("defaultVersionNumber", template.default)
        + &leaf("latestVersionNumber", template.latest)
        + &leaf("launchTemplateId", id)
        + &leaf("launchTemplateName", &template.name);
    let list = node("launchTemplates", &node("item", &item));
    let text = format!(
        "<DescribeLaunchTemplatesResponse xmlns=\"{EC2}\">{}{list}</DescribeLaunchTemplatesResponse>",
        leaf("requestId", "1afa6e44-eb38-4229-8db6-d5eaefcc9ab2")
    );
    Ok(Answer { status: 200, body: Body::Xml(text) })
}

fn describe_subnets(state: &State, request: &Request) -> Answer {
    let wanted: Vec<_> = (1..).map_while(|number| request.get(&format!("SubnetId.{number}"))).collect();
    let subnets =
        state.asg.config().subnets.iter().enumerate().filter(|(_, subnet)| wanted.contains(&subnet.id.as_str()));
    let items = subnets.map(|(index, subnet)| {
        let about = leaf("subnetId", &subnet.id)
            + &leaf("state", "available")
            + &leaf("cidrBlock", format!("10.0.{}.0/19", index * 32))
            + &leaf("availableIpAddressCount", subnet.free.unwrap_or(4096))
            + &leaf("availabilityZone", &subnet.zone);
        node("item", &about)
    });
    answer(EC2, "DescribeSubnets", &node("subnetSet", &items.collect::<String>()))
}
