//! EC2's Query protocol, as far as diagnoses and what they print speak it.

use jiff::Timestamp;
use mngup::domain::InstanceId;

use super::{
    query::unknown,
    service::{Answer, Body, Refused, Request},
    state::State,
    xml::{leaf, node},
};

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

pub fn perform(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    match request.operation.as_str() {
        "DescribeLaunchTemplates" => describe_launch_templates(state, request),
        "DescribeSubnets" => Ok(describe_subnets(state, request)),
        "DescribeInstances" => describe_instances(state, request),
        "DescribeKeyPairs" => {
            let pairs = state.account.key_pairs.iter().map(|name| leaf("keyName", name) + &leaf("createTime", now));
            Ok(answer(request, &items("keySet", pairs)))
        }
        "ImportKeyPair" | "DeleteKeyPair" => change_key_pair(state, request, now),
        "ModifySubnetAttribute" => modify_subnet(state, request),
        operation => Err(unknown(operation)),
    }
}

/// EC2 writes its request id beside what it answers, and lists as `item`s.
fn answer(request: &Request, inside: &str) -> Answer {
    let operation = &request.operation;
    let id = leaf("requestId", "1afa6e44-eb38-4229-8db6-d5eaefcc9ab2");
    let text = format!("<{operation}Response xmlns=\"{NAMESPACE}\">{id}{inside}</{operation}Response>");
    Answer { status: 200, body: Body::Xml(text) }
}

fn items(name: &str, all: impl IntoIterator<Item = String>) -> String {
    node(name, &all.into_iter().map(|item| node("item", &item)).collect::<String>())
}

/// `Name.1`, `Name.2`, …
fn list<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    (1..).map_while(|number| request.get(&format!("{name}.{number}"))).collect()
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
    Ok(answer(request, &items("launchTemplates", [item])))
}

fn describe_subnets(state: &State, request: &Request) -> Answer {
    let wanted = list(request, "SubnetId");
    let subnets =
        state.asg.config().subnets.iter().enumerate().filter(|(_, subnet)| wanted.contains(&subnet.id.as_str()));
    let described = subnets.map(|(index, subnet)| {
        leaf("subnetId", &subnet.id)
            + &leaf("state", "available")
            + &leaf("cidrBlock", format!("10.0.{}.0/19", index * 32))
            + &leaf("availableIpAddressCount", subnet.free.unwrap_or(4096))
            + &leaf("availabilityZone", &subnet.zone)
            + &leaf("mapPublicIpOnLaunch", state.account.public_subnets.contains(&subnet.id))
            + &leaf("assignIpv6AddressOnCreation", false)
    });
    answer(request, &items("subnetSet", described))
}

fn describe_instances(state: &State, request: &Request) -> Result<Answer, Refused> {
    let wanted = list(request, "InstanceId");
    if let Some(unknown) = wanted.iter().find(|id| state.asg.instance(&InstanceId::new(**id)).is_none()) {
        let message = format!("The instance ID '{unknown}' does not exist");
        return Err(Refused::new(400, "InvalidInstanceID.NotFound", message));
    }
    let known = state.asg.instances().values();
    let described = known.filter(|one| wanted.is_empty() || wanted.contains(&one.id.as_str())).map(|one| {
        leaf("instanceId", &one.id)
            + &leaf("instanceType", &one.instance_type)
            + &node("instanceState", &(leaf("code", 16) + &leaf("name", "running")))
            + &leaf("subnetId", &one.subnet)
            + &leaf("vpcId", "vpc-0f00")
            + &items("groupSet", [leaf("groupId", "sg-0cafe")])
    });
    let described = described.collect::<Vec<_>>();
    let reservation = leaf("reservationId", "r-0a1b") + &items("instancesSet", described);
    Ok(answer(request, &items("reservationSet", [reservation])))
}

fn change_key_pair(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    let name = request.get("KeyName").unwrap_or_default().to_owned();
    if request.operation == "DeleteKeyPair" {
        state.account.key_pairs.remove(&name);
    } else if !state.account.key_pairs.insert(name.clone()) {
        let message = format!("The keypair '{name}' already exists.");
        return Err(Refused::new(400, "InvalidKeyPair.Duplicate", message));
    }
    state.settle_launches(now);
    Ok(answer(request, &leaf("keyName", name)))
}

fn modify_subnet(state: &mut State, request: &Request) -> Result<Answer, Refused> {
    let id = request.get("SubnetId").unwrap_or_default();
    if !state.asg.config().subnets.iter().any(|subnet| subnet.id == id) {
        let message = format!("The subnet ID '{id}' does not exist");
        return Err(Refused::new(400, "InvalidSubnetID.NotFound", message));
    }
    match request.get("MapPublicIpOnLaunch.Value") {
        Some("true") => state.account.public_subnets.insert(id.to_owned()),
        Some("false") => state.account.public_subnets.remove(id),
        Some(_) | None => return Err(Refused::new(400, "MissingParameter", "No attribute is named")),
    };
    Ok(answer(request, &leaf("return", true)))
}
