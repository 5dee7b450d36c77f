//! What a diagnosis asks of AWS beyond the group itself: read once, where something stands still.

use std::collections::BTreeSet;

use aws_sdk_eks::types::{AuthenticationMode, ErrorCode, Update, UpdateParamType, UpdateStatus, UpdateType};
use futures::{StreamExt, stream};

use super::{actions, cloud::AwsCloud, ec2::SubnetIds, group, parse::moment, redact};
use crate::{
    domain::{
        AccessEntries, AccessMode, Answer, Ask, EksUpdate, Fact, Known, Lack, LifecycleHook, NodegroupName, Subnet,
        UpdateError,
    },
    ports::PortError,
};

/// EKS counts its calls for the whole account.
const AT_ONCE: usize = 4;
/// EKS lists every update that a group ever had, in no order that it promises: so many are looked at.
const UPDATES: usize = 40;
/// A form holds as many subnets as an Auto Scaling group has; more would be no group.
const SUBNETS: usize = 50;

/// Answers each of them; what cannot be had is an answer too.
pub(super) async fn look(cloud: &AwsCloud, asks: &BTreeSet<Ask>) -> Vec<Answer> {
    let asks = asks.iter().cloned();
    let answers = stream::iter(asks).map(async |ask| {
        let known = answer(cloud, &ask).await;
        (ask, known)
    });
    answers.buffered(AT_ONCE).collect().await
}

async fn answer(cloud: &AwsCloud, ask: &Ask) -> Known<Fact> {
    match ask {
        Ask::Hooks => known(hooks(cloud).await.map(Fact::Hooks)),
        Ask::Subnets => known(subnets(cloud).await.map(Fact::Subnets)),
        Ask::AccessEntries => known(access_entries(cloud).await.map(Fact::AccessEntries)),
        Ask::Update(id) => match &cloud.nodegroup {
            Some(nodegroup) => known(update(cloud, nodegroup, id.as_deref()).await.map(Fact::Update)),
            None => Known::Is(Fact::Update(None)),
        },
        Ask::Updates => match &cloud.nodegroup {
            Some(nodegroup) => known(updates(cloud, nodegroup).await.map(Fact::Updates)),
            None => Known::Is(Fact::Updates(Vec::new())),
        },
        Ask::UpdateElsewhere(id) => known(elsewhere(cloud, id).await.map(Fact::Nodegroup)),
        Ask::PodsOn(_)
        | Ask::PodsOf(_)
        | Ask::Events(_)
        | Ask::Workload { .. }
        | Ask::DaemonPods { .. }
        | Ask::AllNodes
        | Ask::Pod { .. }
        | Ask::Claim { .. }
        | Ask::Attachments
        | Ask::Quotas(_)
        | Ask::Namespace(_)
        | Ask::Webhooks
        | Ask::Endpoints { .. }
        | Ask::NodeManagerRole
        | Ask::AwsAuth
        | Ask::TryEviction(_) => Known::Unknown(Lack::NotOffered("AWS does not know it".to_owned())),
    }
}

fn known<T>(read: Result<T, PortError>) -> Known<T> {
    match read {
        Ok(fact) => Known::Is(fact),
        Err(PortError::Forbidden { what, .. }) => Known::Unknown(Lack::Right(what)),
        Err(
            error @ (PortError::Credentials { .. }
            | PortError::NotFound { .. }
            | PortError::Unreachable { .. }
            | PortError::Malformed { .. }
            | PortError::Other { .. }),
        ) => Known::Unknown(Lack::Server(error.to_string())),
    }
}

async fn hooks(cloud: &AwsCloud) -> Result<Vec<LifecycleHook>, PortError> {
    let request = cloud.session.autoscaling().describe_lifecycle_hooks().auto_scaling_group_name(cloud.asg.as_str());
    let answer = request
        .send()
        .await
        .map_err(|error| cloud.session.failed(actions::DESCRIBE_HOOKS, &cloud.object(), &error).into_port())?;
    let hooks = answer.lifecycle_hooks().iter().map(|hook| LifecycleHook {
        name: hook.lifecycle_hook_name().unwrap_or_default().to_owned(),
        at_launch: hook.lifecycle_transition() == Some("autoscaling:EC2_INSTANCE_LAUNCHING"),
        heartbeat_seconds: hook.heartbeat_timeout().and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or_default(),
        default_result: hook.default_result().unwrap_or_default().to_owned(),
        notifies: hook.notification_target_arn().filter(|arn| !arn.is_empty()).map(str::to_owned),
    });
    Ok(hooks.collect())
}

async fn subnets(cloud: &AwsCloud) -> Result<Vec<Subnet>, PortError> {
    let described = group::describe_asg(&cloud.session, &cloud.asg).await?;
    let ids = described.vpc_zone_identifier().unwrap_or_default();
    let ids: Vec<String> = ids.split(',').filter(|id| !id.is_empty()).take(SUBNETS).map(str::to_owned).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    cloud.session.ec2().subnets(&SubnetIds(ids)).await
}

/// A cluster that goes by `aws-auth` alone refuses to list entries, and has none that count.
async fn access_entries(cloud: &AwsCloud) -> Result<AccessEntries, PortError> {
    let mode = access_mode(cloud).await?;
    let principals = match mode {
        AccessMode::Entries | AccessMode::Both => known(principals(cloud).await),
        AccessMode::Map => Known::Is(Vec::new()),
    };
    Ok(AccessEntries { mode, principals })
}

async fn access_mode(cloud: &AwsCloud) -> Result<AccessMode, PortError> {
    let object = format!("cluster/{}", cloud.cluster);
    let request = cloud.session.eks().describe_cluster().name(cloud.cluster.as_str());
    let answer = request
        .send()
        .await
        .map_err(|error| cloud.session.failed(actions::DESCRIBE_CLUSTER, &object, &error).into_port())?;
    let config = answer.cluster().and_then(|cluster| cluster.access_config());
    Ok(match config.and_then(|config| config.authentication_mode()) {
        Some(AuthenticationMode::Api) => AccessMode::Entries,
        Some(AuthenticationMode::ConfigMap) => AccessMode::Map,
        Some(_) | None => AccessMode::Both,
    })
}

async fn principals(cloud: &AwsCloud) -> Result<Vec<String>, PortError> {
    let request = cloud.session.eks().list_access_entries().cluster_name(cloud.cluster.as_str());
    let mut pages = request.into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.map_err(|error| {
            let object = format!("cluster/{}", cloud.cluster);
            cloud.session.failed(actions::LIST_ACCESS_ENTRIES, &object, &error).into_port()
        })?);
    }
    Ok(arns)
}

/// The one with this id; without one the newest that failed or is under way, unless a later update of the version went
/// well.
async fn update(cloud: &AwsCloud, nodegroup: &NodegroupName, id: Option<&str>) -> Result<Option<EksUpdate>, PortError> {
    if let Some(id) = id {
        return describe(cloud, nodegroup, id).await;
    }
    for update in updates(cloud, nodegroup).await? {
        match update.status.as_str() {
            "Successful" if update.kind == UpdateType::ConfigUpdate.as_str() => {}
            "Successful" => return Ok(None),
            _ => return Ok(Some(update)),
        }
    }
    Ok(None)
}

/// The updates of the group, the newest first.
async fn updates(cloud: &AwsCloud, nodegroup: &NodegroupName) -> Result<Vec<EksUpdate>, PortError> {
    let request = cloud.session.eks().list_updates().name(cloud.cluster.as_str()).nodegroup_name(nodegroup.as_str());
    let mut pages = request.into_paginator().items().send();
    let mut ids = Vec::new();
    while let Some(id) = pages.next().await {
        ids.push(id.map_err(|error| {
            let object = format!("nodegroup/{nodegroup}");
            cloud.session.failed(actions::LIST_UPDATES, &object, &error).into_port()
        })?);
        if ids.len() == UPDATES {
            break;
        }
    }
    let described = stream::iter(ids).map(async |id| describe(cloud, nodegroup, &id).await).buffered(AT_ONCE);
    let described: Vec<Result<Option<EksUpdate>, PortError>> = described.collect().await;
    let described: Result<Vec<_>, _> = described.into_iter().collect();
    let mut updates: Vec<EksUpdate> = described?.into_iter().flatten().collect();
    updates.sort_by_key(|update| std::cmp::Reverse(update.created_at));
    Ok(updates)
}

/// The other node group of the cluster that has this update.
async fn elsewhere(cloud: &AwsCloud, id: &str) -> Result<Option<NodegroupName>, PortError> {
    let request = cloud.session.eks().list_nodegroups().cluster_name(cloud.cluster.as_str());
    let mut pages = request.into_paginator().items().send();
    while let Some(name) = pages.next().await {
        let name = NodegroupName::new(name.map_err(|error| {
            let object = format!("cluster/{}", cloud.cluster);
            cloud.session.failed(actions::LIST_NODEGROUPS, &object, &error).into_port()
        })?);
        if Some(&name) != cloud.nodegroup.as_ref() && describe(cloud, &name, id).await?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// An update of this node group; none where it has none of that id, or where that cannot be one.
async fn describe(cloud: &AwsCloud, nodegroup: &NodegroupName, id: &str) -> Result<Option<EksUpdate>, PortError> {
    let request = cloud.session.eks().describe_update().name(cloud.cluster.as_str());
    match request.nodegroup_name(nodegroup.as_str()).update_id(id).send().await {
        Ok(answer) => Ok(answer.update().map(|update| told(id, update))),
        Err(error) => {
            let object = format!("update {id} of nodegroup/{nodegroup}");
            let failure = cloud.session.failed(actions::DESCRIBE_UPDATE, &object, &error);
            match failure.code() {
                Some("ResourceNotFoundException" | "InvalidParameterException") => Ok(None),
                Some(_) | None => Err(failure.into_port()),
            }
        }
    }
}

fn told(id: &str, update: &Update) -> EksUpdate {
    let params = update
        .params()
        .iter()
        .filter_map(|param| Some((param.r#type().map(UpdateParamType::as_str)?.to_owned(), param.value()?.to_owned())));
    let errors = update.errors().iter().map(|error| UpdateError {
        code: error.error_code().map_or("Unknown", ErrorCode::as_str).to_owned(),
        message: redact::message(error.error_message().unwrap_or_default()),
        resources: error.resource_ids().to_vec(),
    });
    EksUpdate {
        id: update.id().unwrap_or(id).to_owned(),
        status: update.status().map_or("", UpdateStatus::as_str).to_owned(),
        kind: update.r#type().map_or("", UpdateType::as_str).to_owned(),
        created_at: update.created_at().and_then(moment),
        params: params.collect(),
        errors: errors.collect(),
    }
}
