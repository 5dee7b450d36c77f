//! EKS's REST API.

use std::collections::BTreeMap;

use axum::http::{Method, Uri};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use mngup::sim::asg::{TemplateUse, VersionUse};
use serde_json::{Value, json};

use super::{
    service::{Answer, Body, Refused, Request, parameters},
    state::{State, Update},
};

/// The role of the nodes.
pub const NODE_ROLE: &str = "arn:aws:iam::111122223333:role/node";

pub fn understand(method: &Method, uri: &Uri, body: &[u8]) -> Option<Request> {
    let mut params = parameters(uri.query().unwrap_or_default())?;
    if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
        flatten("", &Value::Object(fields), &mut params);
    }
    let parts: Vec<_> = uri.path().trim_matches('/').split('/').collect();
    let mut named = |names: &[(&str, &str)]| {
        params.extend(names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    };
    let operation = match (method.as_str(), parts.as_slice()) {
        ("GET", ["clusters"]) => "ListClusters",
        ("GET", ["clusters", cluster]) => {
            named(&[("name", cluster)]);
            "DescribeCluster"
        }
        ("GET", ["clusters", cluster, "node-groups"]) => {
            named(&[("clusterName", cluster)]);
            "ListNodegroups"
        }
        ("GET", ["clusters", cluster, "node-groups", nodegroup]) => {
            named(&[("clusterName", cluster), ("nodegroupName", nodegroup)]);
            "DescribeNodegroup"
        }
        ("POST", ["clusters", cluster, "node-groups", nodegroup, "update-config"]) => {
            named(&[("clusterName", cluster), ("nodegroupName", nodegroup)]);
            "UpdateNodegroupConfig"
        }
        ("GET", ["clusters", cluster, "updates"]) => {
            named(&[("name", cluster)]);
            "ListUpdates"
        }
        ("GET", ["clusters", cluster, "access-entries"]) => {
            named(&[("clusterName", cluster)]);
            "ListAccessEntries"
        }
        ("POST", ["clusters", cluster, "access-entries"]) => {
            named(&[("clusterName", cluster)]);
            "CreateAccessEntry"
        }
        ("DELETE", ["clusters", cluster, "access-entries", principal]) => {
            // An ARN has a colon and a slash in it.
            let principal = principal.replace("%3A", ":").replace("%2F", "/");
            named(&[("clusterName", cluster), ("principalArn", &principal)]);
            "DeleteAccessEntry"
        }
        ("GET", ["clusters", cluster, "updates", update]) => {
            named(&[("name", cluster), ("updateId", update)]);
            "DescribeUpdate"
        }
        _ => return None,
    };
    Some(Request { service: "eks", operation: operation.to_owned(), params })
}

/// `{"a": {"b": 1}}` as `a.b = 1`.
pub fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&path, value, into);
            }
        }
        Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            into.insert(prefix.to_owned(), value.to_string());
        }
    }
}

pub fn perform(state: &mut State, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
    let value = match request.operation.as_str() {
        "ListClusters" => {
            let names = [vec![state.world.cluster.clone()], state.world.other_clusters.clone()].concat();
            json!({ "clusters": names })
        }
        "DescribeCluster" => describe_cluster(state, request)?,
        "ListNodegroups" => {
            this_cluster(state, request.get("clusterName"))?;
            let own = state.world.nodegroup.iter().chain(&state.world.other_nodegroups);
            json!({ "nodegroups": own.collect::<Vec<_>>() })
        }
        "DescribeNodegroup" => {
            this_nodegroup(state, request)?;
            json!({ "nodegroup": nodegroup(state) })
        }
        "UpdateNodegroupConfig" => update_config(state, request, now)?,
        "ListUpdates" => {
            let of = request.get("nodegroupName");
            let ours = state.updates.iter().filter(|update| Some(update.nodegroup.as_str()) == of);
            json!({ "updateIds": ours.map(|update| &update.id).collect::<Vec<_>>() })
        }
        "ListAccessEntries" => {
            this_cluster(state, request.get("clusterName"))?;
            if state.world.authentication_mode == Some("CONFIG_MAP") {
                let message = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform \
                               this operation.";
                return Err(Refused::new(400, "InvalidRequestException", message));
            }
            json!({ "accessEntries": state.world.access_entries })
        }
        "CreateAccessEntry" => create_access_entry(state, request)?,
        "DeleteAccessEntry" => {
            this_cluster(state, request.get("clusterName"))?;
            state.world.access_entries.retain(|entry| Some(entry.as_str()) != request.get("principalArn"));
            json!({})
        }
        "DescribeUpdate" => {
            let found = state.updates.iter().find(|update| {
                let of = request.get("nodegroupName");
                Some(update.id.as_str()) == request.get("updateId") && Some(update.nodegroup.as_str()) == of
            });
            let found = found
                .ok_or_else(|| Refused::new(404, "ResourceNotFoundException", "No update found for the given id"))?;
            json!({ "update": update(found) })
        }
        operation => return Err(Refused::new(400, "InvalidRequestException", format!("no operation {operation}"))),
    };
    Ok(Answer { status: 200, body: Body::Json(value) })
}

fn this_cluster(state: &State, name: Option<&str>) -> Result<(), Refused> {
    match name {
        Some(name) if name == state.world.cluster => Ok(()),
        name => {
            let message = format!("No cluster found for name: {}.", name.unwrap_or_default());
            Err(Refused::new(404, "ResourceNotFoundException", message))
        }
    }
}

fn this_nodegroup(state: &State, request: &Request) -> Result<(), Refused> {
    this_cluster(state, request.get("clusterName"))?;
    match request.get("nodegroupName") {
        Some(name) if Some(name) == state.world.nodegroup.as_deref() => Ok(()),
        name => {
            let message = format!("No node group found for name: {}.", name.unwrap_or_default());
            Err(Refused::new(404, "ResourceNotFoundException", message))
        }
    }
}

fn describe_cluster(state: &State, request: &Request) -> Result<Value, Refused> {
    let world = &state.world;
    let name = request.get("name");
    if name.is_some_and(|name| world.other_clusters.iter().any(|other| other == name)) {
        return Ok(json!({ "cluster": { "name": name, "status": "CREATING" } }));
    }
    this_cluster(state, name)?;
    let endpoint = state.endpoint.as_ref();
    Ok(json!({ "cluster": {
        "name": world.cluster,
        "arn": format!("arn:aws:eks:{}:111122223333:cluster/{}", world.region, world.cluster),
        "createdAt": 1_767_322_245.678,
        "version": world.version,
        "endpoint": endpoint.map(|endpoint| &endpoint.url),
        "certificateAuthority": endpoint.map(|endpoint| json!({ "data": BASE64_STANDARD.encode(&endpoint.ca_pem) })),
        "status": "ACTIVE",
        "platformVersion": "eks.7",
        "accessConfig": world.authentication_mode.map(|mode| json!({ "authenticationMode": mode })),
        "health": { "issues": [] },
        "resourcesVpcConfig": {
            "vpcId": "vpc-0f00",
            "clusterSecurityGroupId": "sg-0cafe",
            "endpointPublicAccess": true,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        "tags": {},
    } }))
}

fn nodegroup(state: &State) -> Value {
    let world = &state.world;
    let size = state.asg.size();
    let issues = issues(state);
    let found = world.made.is_some() || world.public;
    let status = if found && !issues.is_empty() { "DEGRADED" } else { &world.status };
    json!({
        "nodegroupName": world.nodegroup,
        "nodegroupArn": format!(
            "arn:aws:eks:{}:111122223333:nodegroup/{}/{}/8ac7d1b2",
            world.region, world.cluster, world.nodegroup.as_deref().unwrap_or_default()
        ),
        "clusterName": world.cluster,
        "version": world.version,
        "releaseVersion": format!("{}.3-20261101", world.version),
        "createdAt": 1_767_322_245.678,
        "modifiedAt": 1_767_322_245.678,
        "status": if state.is_updating() { "UPDATING" } else { status },
        "capacityType": "ON_DEMAND",
        "scalingConfig": { "minSize": size.min, "maxSize": size.max, "desiredSize": size.desired },
        "instanceTypes": ["m6i.large"],
        "subnets": state.asg.config().subnets.iter().map(|subnet| &subnet.id).collect::<Vec<_>>(),
        "amiType": "AL2023_x86_64_STANDARD",
        "nodeRole": NODE_ROLE,
        "diskSize": 20,
        "health": { "issues": issues },
        "resources": { "autoScalingGroups": [{ "name": world.asg }] },
        "updateConfig": { "maxUnavailable": world.max_unavailable, "updateStrategy": world.strategy },
        "tags": {},
    })
}

/// What is told of the group's health: what the test says, and what EKS sees for itself.
fn issues(state: &State) -> Vec<Value> {
    let world = &state.world;
    let issue =
        |code: &str, message: &str, ids: &[String]| json!({ "code": code, "message": message, "resourceIds": ids });
    let told = world.issues.iter().map(|(code, message)| issue(code, message, std::slice::from_ref(&world.asg)));
    let TemplateUse { id, version } = &state.asg.config().launch_from;
    let changed = world.made.filter(|made| *version != VersionUse::Number(*made)).map(|made| {
        let message = format!(
            "The Amazon EC2 Launch Template : {id} has a new version associated with your Autoscaling group, which is not \
             managed by Amazon EKS. Expected Launch Template version: {made}"
        );
        issue("Ec2LaunchTemplateVersionMismatch", &message, std::slice::from_ref(id))
    });
    let subnets = state.asg.config().subnets.iter().map(|subnet| subnet.id.clone());
    let private: Vec<_> = subnets.filter(|id| world.public && !state.account.public_subnets.contains(id)).collect();
    let private = (!private.is_empty()).then(|| {
        let message = format!(
            "One or more Amazon EC2 Subnets of [{}] for node group {} does not automatically assign public IP addresses \
             to instances launched into it. If you want your instances to be assigned a public IP address, then you need \
             to enable auto-assign public IP address for the subnet.",
            private.join(", "),
            world.nodegroup.as_deref().unwrap_or_default()
        );
        issue("Ec2SubnetInvalidConfiguration", &message, &private)
    });
    told.chain(changed).chain(private).collect()
}

fn create_access_entry(state: &mut State, request: &Request) -> Result<Value, Refused> {
    this_cluster(state, request.get("clusterName"))?;
    let principal = request.get("principalArn").unwrap_or_default().to_owned();
    if state.world.access_entries.contains(&principal) {
        let message = "The specified access entry resource is already in use on this cluster.";
        return Err(Refused::new(409, "ResourceInUseException", message));
    }
    let entry = json!({
        "clusterName": state.world.cluster,
        "principalArn": principal,
        "type": request.get("type").unwrap_or("STANDARD"),
    });
    state.world.access_entries.push(principal);
    Ok(json!({ "accessEntry": entry }))
}

fn update_config(state: &mut State, request: &Request, now: Timestamp) -> Result<Value, Refused> {
    this_nodegroup(state, request)?;
    if state.is_updating() {
        let message = "Nodegroup cannot be updated as it is currently not in Active State";
        return Err(Refused::new(409, "ResourceInUseException", message));
    }
    let size = |name: &str| request.get(&format!("scalingConfig.{name}")).and_then(|text| text.parse::<u32>().ok());
    let (min, max, desired) = (size("minSize"), size("maxSize"), size("desiredSize"));
    if let (Some(max), Some(desired)) = (max, desired)
        && desired > max
    {
        let message = format!("desired capacity {desired} can't be greater than max size {max}");
        return Err(Refused::new(400, "InvalidParameterException", message));
    }
    let begun = state.begin_update((min, max, desired), now);
    Ok(json!({ "update": update(&begun) }))
}

fn update(one: &Update) -> Value {
    let (min, max, desired) = one.sizes;
    let params = [("MinSize", min), ("MaxSize", max), ("DesiredSize", desired)];
    let params: Vec<_> = params
        .into_iter()
        .filter_map(|(kind, value)| Some(json!({ "type": kind, "value": value?.to_string() })))
        .collect();
    let errors: Vec<_> = one
        .errors
        .iter()
        .map(|error| json!({ "errorCode": error.code, "errorMessage": error.message, "resourceIds": error.resources }))
        .collect();
    json!({
        "id": one.id,
        "status": one.status,
        "type": one.kind,
        "params": params,
        // Seconds since 1970, with milliseconds.
        "createdAt": one.created_at.as_second(),
        "errors": errors,
    })
}
