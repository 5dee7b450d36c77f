//! Whose a node is, for whoever asks about it without naming its group.

use super::{
    connect::{self, ApartPorts},
    error::CliError,
    suggest,
    target::{Access, Target},
};
use crate::{
    adapters::{
        aws::Session,
        k8s::{Connection, Seen},
    },
    app::Question,
    domain::{GroupName, Node, NodegroupName},
    ports::PortError,
    report::Commands,
};

/// EKS writes it on each node of a managed group.
const NODEGROUP: &str = "eks.amazonaws.com/nodegroup";

/// Whose nodes they are.
pub(super) enum Owner {
    /// This group's.
    Group(Box<Target>),
    /// No group's that is known.
    Nobody {
        /// What Kubernetes tells of them.
        ports: Box<ApartPorts>,
        /// How to reach the cluster.
        commands: Commands,
        /// Why AWS is not asked.
        why: String,
    },
}

/// Finds the group of what the question is about; `cluster` tells whether AWS knows which cluster it is.
///
/// # Errors
/// When there is no such node or pod, nodes are of several groups, or nobody can be asked.
pub(super) async fn owner(target: Target, cluster: bool, question: &Question) -> Result<Owner, CliError> {
    let (session, connection) = if cluster {
        let (session, connection) = connect::enter(&target).await?;
        (Some(session), connection)
    } else {
        (None, by_kubeconfig(&target).await?)
    };
    let nodes = nodes(&connection, question, &commands(&target, cluster)).await?;
    let first = match nodes.as_slice() {
        [] => return Ok(nobody(connection, Seen::NoNode, &target, cluster, "the pod is on no node".to_owned())),
        [first, others @ ..] => {
            let label = |node: &Node| node.labels.get(NODEGROUP).cloned();
            if let Some(other) = others.iter().find(|other| label(other) != label(first) || label(other).is_none()) {
                return Err(CliError::usage(format!(
                    "node/{} and node/{} are not known to be of one group",
                    first.name, other.name
                ))
                .next("ask about each alone, or name the group: -n NODEGROUP"));
            }
            first
        }
    };
    match group(session.as_ref(), &target, first).await {
        Ok(group) => Ok(Owner::Group(Box::new(Target { group, ..target }))),
        Err(why) => Ok(nobody(connection, Seen::Only(first.name.clone()), &target, cluster, why)),
    }
}

/// The group of a node, or why AWS has nothing to say about it.
async fn group(session: Option<&Session>, target: &Target, node: &Node) -> Result<GroupName, String> {
    let name = &node.name;
    let Some(session) = session else { return Err("no --cluster is named".to_owned()) };
    if let Some(nodegroup) = node.labels.get(NODEGROUP) {
        return Ok(GroupName::Nodegroup(NodegroupName::new(nodegroup)));
    }
    let Some(instance) = &node.instance else { return Err(format!("node/{name} is no EC2 instance")) };
    let asg = session
        .group_of(instance)
        .await
        .map_err(|error| format!("the Auto Scaling group of node/{name} cannot be told: {error}"))?;
    let Some(asg) = asg else { return Err(format!("node/{name} is of no node group and no Auto Scaling group")) };
    let group = GroupName::Asg(asg);
    // One without this cluster's tag is somebody else's.
    session.cloud(&target.cluster, &group).await.map(|_| group).map_err(|error| error.to_string())
}

/// The nodes that the question is about; a pod may have none.
async fn nodes(connection: &Connection, question: &Question, commands: &Commands) -> Result<Vec<Node>, CliError> {
    match question {
        Question::Nodes(names) => {
            let mut nodes = Vec::new();
            for name in names {
                nodes.push(connection.node(name).await.map_err(|error| unknown_node(name, error, commands))?);
            }
            Ok(nodes)
        }
        Question::Pod { namespace, name } => {
            let node = connection.node_of_pod(namespace, name).await;
            let Some(node) = node.map_err(|error| unknown_pod(namespace, name, error, commands))? else {
                return Ok(Vec::new());
            };
            Ok(vec![connection.node(node.as_str()).await?])
        }
        Question::Group | Question::BeforeUpgrade | Question::Update(_) => Ok(Vec::new()),
    }
}

fn unknown_node(name: &str, error: PortError, commands: &Commands) -> CliError {
    let PortError::NotFound { others, .. } = &error else { return error.into() };
    let failure = CliError::usage(format!("the cluster has no node {name}"));
    match suggest::nearest_node(name, others) {
        Some(near) => failure.next(commands.line_with("diagnose", &["--node".to_owned(), near.to_owned()])),
        None => failure.next(commands.kubectl("get nodes   # shows the names")),
    }
}

fn unknown_pod(namespace: &str, name: &str, error: PortError, commands: &Commands) -> CliError {
    let PortError::NotFound { others, .. } = &error else { return error.into() };
    let failure = CliError::usage(format!("there is no pod {name} in namespace {namespace}"));
    match suggest::nearest(name, others) {
        Some(near) => {
            failure.next(commands.line_with("diagnose", &["--pod".to_owned(), format!("{namespace}/{near}")]))
        }
        None => failure.next(commands.kubectl(&format!("-n {namespace} get pods   # shows the names"))),
    }
}

fn nobody(connection: Connection, seen: Seen, target: &Target, cluster: bool, why: String) -> Owner {
    let ports = Box::new(connect::apart(connection, seen, target, &why));
    Owner::Nobody { ports, commands: commands(target, cluster), why }
}

/// Commands that reach the cluster and no group of it.
fn commands(target: &Target, cluster: bool) -> Commands {
    target.commands_of_cluster(cluster).without_group()
}

async fn by_kubeconfig(target: &Target) -> Result<Connection, CliError> {
    match &target.access {
        Access::Kubeconfig { path, context, .. } => {
            Ok(Connection::from_kubeconfig(path.as_deref(), context.as_deref()).await?)
        }
        Access::Endpoint => Err(CliError::usage("which cluster? --cluster is missing")),
    }
}
