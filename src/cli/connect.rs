//! From what the user points at to ports: AWS first, then the cluster's own endpoint or a kubeconfig that leads to it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{
    error::CliError,
    exit_code::ExitCode,
    target::{Access, Target},
    values,
};
use crate::{
    adapters::{
        NobodyAsksAws, SystemClock,
        aws::{AwsCloud, ClusterInfo, EksToken, Session},
        k8s::{
            Connection, Endpoint, FreshToken, KubeCluster, KubeLock, Need, Objects, Pace, Place, Right, Scope, Seen,
            TokenSource,
        },
    },
    app::Ports,
    domain::{GroupName, Operator, Policy, RunId, Settings},
    ports::{Clock as _, Cluster as _, PortError},
};

/// The ports of a real group.
pub(super) type RealPorts = Ports<KubeCluster, AwsCloud, SystemClock, KubeLock>;

/// The ports of nodes that are of no group.
pub(super) type ApartPorts = Ports<KubeCluster, NobodyAsksAws, SystemClock, KubeLock>;

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A run.
    Run {
        /// What was said of how it goes.
        settings: Box<Settings>,
        /// How long its Lease outlives it.
        lease: Duration,
    },
    /// Undoing one.
    Undo {
        /// How long its Lease outlives it.
        lease: Duration,
    },
    /// A look.
    Look,
}

/// Connects to both sides, and makes sure that they are of one cluster and that the rights are there.
pub(super) async fn connect(
    target: &Target,
    purpose: Purpose,
    operator: &Operator,
    run: &RunId,
) -> Result<RealPorts, CliError> {
    let ports = reach(target, purpose, operator, run).await;
    ports.map_err(|error| error.reaching(&target.commands()))
}

/// Both sides of a cluster of which no group is known yet.
pub(super) async fn enter(target: &Target) -> Result<(Session, Connection), CliError> {
    let entered = async {
        let (session, info) = aws(target).await?;
        let connection = kubernetes(target, &session, &info).await?;
        Ok((session, connection))
    };
    entered.await.map_err(|error: CliError| error.reaching(&target.commands()))
}

/// What Kubernetes alone tells of nodes that are of no group that is known; AWS is not asked about them, for this reason.
pub(super) fn apart(connection: Connection, seen: Seen, target: &Target, why: &str) -> ApartPorts {
    let run = run_id(SystemClock.now());
    let lock = KubeLock::new(connection.clone(), &scope(target), operator(), &run);
    let cluster = KubeCluster::new(connection, scope(target)).with_pace(at_once()).seeing(seen);
    let cloud = NobodyAsksAws(why.to_owned());
    Ports { cluster: Arc::new(cluster), cloud: Arc::new(cloud), clock: Arc::new(SystemClock), lock: Arc::new(lock) }
}

/// Whoever only looks wants the pods of blocking budgets at once.
fn at_once() -> Pace {
    Pace { first_look: Duration::ZERO, ..Pace::default() }
}

async fn aws(target: &Target) -> Result<(Session, ClusterInfo), CliError> {
    let session = Session::load(target.region.clone(), target.profile.clone())
        .await
        .map_err(|error| no_session(error, target))?;
    values::region(session.region()).map_err(|how| no_region(session.region(), &how, target))?;
    let info = session.cluster(&target.cluster).await.map_err(|error| unknown_cluster(error, target))?;
    Ok((session, info))
}

async fn reach(target: &Target, purpose: Purpose, operator: &Operator, run: &RunId) -> Result<RealPorts, CliError> {
    let (session, info) = aws(target).await?;
    let cloud = session.cloud(&target.cluster, &target.group).await.map_err(|error| unknown_group(error, target))?;
    let connection = kubernetes(target, &session, &info).await?;
    let scope = scope(target);
    let lock = KubeLock::new(connection.clone(), &scope, operator.clone(), run);
    let cluster = KubeCluster::new(connection, scope);
    let (cluster, lock) = match purpose {
        Purpose::Run { settings, lease } => {
            rights_to_run(&cluster, &settings, target).await?;
            (cluster, lock.with_duration(lease))
        }
        Purpose::Undo { lease } => {
            rights(&cluster, false, target).await?;
            (cluster, lock.with_duration(lease))
        }
        Purpose::Look => (cluster.with_pace(at_once()), lock),
    };
    Ok(Ports { cluster: Arc::new(cluster), cloud: Arc::new(cloud), clock: Arc::new(SystemClock), lock: Arc::new(lock) })
}

fn scope(target: &Target) -> Scope {
    Scope { group: target.group.clone(), state_namespace: target.state_namespace.clone() }
}

/// Who runs mngup, for those who find its traces.
pub(super) fn operator() -> Operator {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = variable("HOSTNAME").or_else(kernel).map(|name| name.trim().to_owned());
    Operator { user, host: host.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned()) }
}

/// A name for a new run: when, and something that tells two of one second apart.
pub(super) fn run_id(now: Timestamp) -> RunId {
    // The standard library seeds its hash maps at random: enough to tell two runs apart.
    let random = RandomState::new().hash_one(now.as_nanosecond()) & 0xffff;
    RunId::new(format!("{}-{random:04x}", now.strftime("%Y%m%d-%H%M%S")))
}

async fn kubernetes(target: &Target, session: &Session, info: &ClusterInfo) -> Result<Connection, CliError> {
    match &target.access {
        Access::Endpoint => Ok(Connection::from_endpoint(&Endpoint {
            url: info.endpoint.clone(),
            ca_pem: Some(info.ca_pem.clone()),
            token: Arc::new(Token(session.token(&target.cluster))),
        })?),
        Access::Kubeconfig { path, context, allow_mismatch } => {
            let connection = Connection::from_kubeconfig(path.as_deref(), context.as_deref()).await;
            let connection = connection.map_err(|error| {
                CliError::from(error).next("leave --kubeconfig and --context out: mngup connects by itself")
            })?;
            if !allow_mismatch && !same_server(connection.server(), &info.endpoint) {
                let message = format!(
                    "the kubeconfig leads to {}, but cluster/{} is at {}",
                    connection.server(),
                    target.cluster,
                    info.endpoint
                );
                return Err(CliError::refused(message)
                    .next(
                        "choose the right --context, or leave --kubeconfig and --context out: mngup connects by itself",
                    )
                    .next("--allow-endpoint-mismatch   # a bastion or proxy stands in between"));
            }
            Ok(connection)
        }
    }
}

/// Compares without scheme, letter case and slash at the end; EKS writes endpoints in upper case.
fn same_server(a: &str, b: &str) -> bool {
    let plain = |url: &str| {
        let url = url.trim_end_matches('/').to_ascii_lowercase();
        let rest = url.strip_prefix("https://").unwrap_or(&url).to_owned();
        rest.strip_suffix(":443").map(ToOwned::to_owned).unwrap_or(rest)
    };
    plain(a) == plain(b)
}

/// A run that goes on may have been begun with more consent than was given now.
async fn rights_to_run(cluster: &KubeCluster, settings: &Settings, target: &Target) -> Result<(), CliError> {
    let deletes_pods = |policy: &Policy| policy.force || policy.disable_eviction;
    let deletes = deletes_pods(&settings.over(&Policy::default()));
    rights(cluster, deletes, target).await?;
    let remembered = cluster.intent().await?.map(|intent| intent.policy).unwrap_or_default();
    if !deletes && deletes_pods(&settings.over(&remembered)) {
        rights(cluster, true, target).await?;
    }
    Ok(())
}

async fn rights(cluster: &KubeCluster, deletes_pods: bool, target: &Target) -> Result<(), CliError> {
    let missing = cluster.missing_rights(&Right::needed(deletes_pods)).await;
    let missing = missing.map_err(|error| unknown_identity(error, target))?;
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("this identity has no right in cluster/{} to {}", target.cluster, named(&missing, target));
    Err(CliError::refused(message)
        .next("bind docs/rbac.yaml to it (kubectl apply -f rbac.yaml), and give it an access entry with that group"))
}

/// Rights with where and what for, where that is not the same for all: `get, list nodes; create pods/eviction`.
fn named(rights: &[Right], target: &Target) -> String {
    let own = scope(target).object_name();
    let mut objects: Vec<(String, Vec<&str>)> = Vec::new();
    for right in rights {
        let place = match right.place {
            Place::Cluster => String::new(),
            Place::StateNamespace => format!(" in namespace/{}", target.state_namespace),
        };
        let need = match right.need {
            Need::Always | Need::Optional | Need::ToDiagnose => "",
            Need::ToDeletePods => " (for --force and --disable-eviction)",
        };
        let name = match right.objects {
            Objects::All => String::new(),
            // What to write into `resourceNames`.
            Objects::Own => format!(" \"{own}\""),
            Objects::Named(one) => format!(" \"{one}\""),
        };
        let object = format!("{}{name}{place}{need}", right.object());
        match objects.iter_mut().find(|(known, _)| *known == object) {
            Some((_, verbs)) => verbs.push(right.verb),
            None => objects.push((object, vec![right.verb])),
        }
    }
    let said: Vec<_> = objects.into_iter().map(|(object, verbs)| format!("{} {object}", verbs.join(", "))).collect();
    said.join("; ")
}

/// The API server does not take the credentials: with AWS's own, an access entry is what lacks.
fn unknown_identity(error: PortError, target: &Target) -> CliError {
    let code = ExitCode::from(&error);
    let commands = target.commands();
    let aws = |verb: &str, rest: &str| commands.aws(&format!("eks {verb} --cluster-name {}{rest}", target.cluster));
    match (&error, &target.access) {
        (PortError::Credentials { message }, Access::Endpoint) => {
            CliError::new(code, message).next(aws("list-access-entries", "   # who may enter")).next(aws(
                "create-access-entry",
                " --principal-arn ARN --kubernetes-groups mngup-operators   # then bind docs/rbac.yaml",
            ))
        }
        (PortError::Credentials { message }, Access::Kubeconfig { .. }) => {
            CliError::new(code, message).next(commands.kubectl("auth whoami   # as whom it logs in"))
        }
        _ => error.into(),
    }
}

/// A flag is checked when it is read; this one comes from the AWS configuration.
fn no_region(region: &str, how: &str, target: &Target) -> CliError {
    CliError::usage(format!("AWS_REGION or the AWS profile says region \"{region}\": {how}"))
        .next(format!("{} -r eu-west-1", target.again()))
}

fn no_session(error: PortError, target: &Target) -> CliError {
    match error {
        // The one thing that is missing before anybody can be asked.
        PortError::Other { message } => CliError::usage(message).next(format!("{} -r REGION", target.again())),
        PortError::Forbidden { .. }
        | PortError::Credentials { .. }
        | PortError::NotFound { .. }
        | PortError::Unreachable { .. }
        | PortError::Malformed { .. } => error.into(),
    }
}

fn unknown_cluster(error: PortError, target: &Target) -> CliError {
    let PortError::NotFound { others, .. } = &error else { return error.into() };
    let region =
        target.region.as_ref().map_or("this account and region".to_owned(), |region| format!("region {region}"));
    let again = |name: &str| Target { cluster: name.into(), ..target.clone() }.again();
    CliError::unknown(&region, "cluster", target.cluster.as_str(), others, again)
}

fn unknown_group(error: PortError, target: &Target) -> CliError {
    let PortError::NotFound { others, .. } = &error else { return error.into() };
    let cluster = format!("cluster/{}", target.cluster);
    let kind = match target.group {
        GroupName::Nodegroup(_) => "nodegroup",
        GroupName::Asg(_) => "self-managed Auto Scaling group",
    };
    let again = |name: &str| {
        let group = match target.group {
            GroupName::Nodegroup(_) => GroupName::Nodegroup(name.into()),
            GroupName::Asg(_) => GroupName::Asg(name.into()),
        };
        Target { group, ..target.clone() }.again()
    };
    CliError::unknown(&cluster, kind, target.group.name(), others, again)
}

/// The EKS token as the Kubernetes adapter wants it.
struct Token(EksToken);

impl TokenSource for Token {
    fn token(&self) -> BoxFuture<'_, Result<FreshToken, PortError>> {
        Box::pin(async {
            let bearer = self.0.token().await?;
            Ok(FreshToken { token: bearer.token, expires_at: bearer.expires_at })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_same_however_it_is_written() {
        assert!(same_server(
            "https://ABC.gr7.eu-west-1.eks.amazonaws.com",
            "https://abc.gr7.eu-west-1.eks.amazonaws.com/"
        ));
        assert!(same_server("https://abc:443", "https://abc"));
        assert!(!same_server("https://127.0.0.1:6443", "https://abc.gr7.eu-west-1.eks.amazonaws.com"));
    }

    #[test]
    fn a_run_is_named_by_when_it_began() {
        let run = run_id("2026-11-21T09:14:02Z".parse().unwrap());
        assert!(run.as_str().starts_with("20261121-091402-"), "{run}");
        assert_eq!(run.as_str().len(), 20);
    }
}
