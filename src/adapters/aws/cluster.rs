//! Where a cluster's API server is and how to know it.

use std::time::Duration;

use aws_sdk_eks::operation::describe_cluster::DescribeClusterOutput;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    actions,
    error::CallError,
    session::{BACKOFF, Session},
};
use crate::{domain::ClusterName, ports::PortError};

/// The first call of a run: somebody watches, so it gives up sooner than the others.
const PATIENCE: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 3;
/// How often those attempts are made again while AWS throttles.
const ROUNDS: u32 = 3;

/// What EKS says about a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Its name.
    pub name: ClusterName,
    /// Its API server, `https://….eks.amazonaws.com`.
    pub endpoint: String,
    /// The certificate authority of that server, in PEM.
    pub ca_pem: String,
    /// Kubernetes version, `1.33`.
    pub version: String,
    /// `ACTIVE`, `UPDATING`, …
    pub status: String,
}

/// Reads it.
pub(super) async fn describe(session: &Session, name: &ClusterName) -> Result<ClusterInfo, PortError> {
    let object = format!("cluster/{name}");
    let cluster = match ask(session, name, &object).await {
        Ok(answer) => answer.cluster,
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => {
            let others = nearest(name.as_str(), names(session).await);
            return Err(PortError::NotFound { what: format!("{object} in {}", session.region()), others });
        }
        Err(failure) => return Err(failure.into_port()),
    };
    let malformed = |message: &str| PortError::Malformed { what: object.clone(), message: message.to_owned() };
    let cluster = cluster.ok_or_else(|| malformed("EKS describes it as nothing"))?;
    let status = cluster.status.map(|status| status.as_str().to_owned()).unwrap_or_default();
    let missing = |what: &str| malformed(&format!("has no {what} while it is {status}"));
    let endpoint = cluster.endpoint.ok_or_else(|| missing("endpoint"))?;
    let encoded =
        cluster.certificate_authority.and_then(|ca| ca.data).ok_or_else(|| missing("certificate authority"))?;
    let ca_pem = BASE64_STANDARD
        .decode(encoded)
        .ok()
        .and_then(|pem| String::from_utf8(pem).ok())
        .ok_or_else(|| malformed("its certificate authority is not base64 of PEM"))?;
    Ok(ClusterInfo { name: name.clone(), endpoint, ca_pem, version: cluster.version.unwrap_or_default(), status })
}

/// Gives up soon where nobody answers, and as late as any other call where AWS asks for patience.
async fn ask(session: &Session, name: &ClusterName, object: &str) -> Result<DescribeClusterOutput, CallError> {
    let mut round = 1;
    loop {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF);
        let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let once = aws_sdk_eks::config::Config::builder().retry_config(retries).timeout_config(timeouts);
        let request = session.eks().describe_cluster().name(name.as_str());
        match request.customize().config_override(once).send().await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                let failure = session.failed(actions::DESCRIBE_CLUSTER, object, &error);
                if !failure.is_throttled() || round == ROUNDS {
                    return Err(failure);
                }
            }
        }
        round += 1;
    }
}

/// Names of clusters; none when they may not be listed, for they are only a help.
async fn names(session: &Session) -> Vec<String> {
    let mut pages = session.eks().list_clusters().into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(Ok(name)) = pages.next().await {
        names.push(name);
    }
    names
}

/// The names with the likest first, as many as one reads.
pub(super) fn nearest(wanted: &str, mut names: Vec<String>) -> Vec<String> {
    names.sort_by_cached_key(|name| (distance(wanted, name), name.clone()));
    names.truncate(20);
    names
}

/// Levenshtein: insertions, deletions and replacements from one to the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_likest_name_comes_first() {
        let names = ["staging", "prod-eu", "prod-us"].map(str::to_owned).into();
        assert_eq!(nearest("prd-us", names), ["prod-us", "prod-eu", "staging"]);
    }
}
