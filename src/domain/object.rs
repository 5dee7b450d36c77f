//! What a finding is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AsgName, InstanceId, NodeName, NodegroupName, Owner, PdbRef, PodRef};

/// A thing in the cluster that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A node.
    Node(NodeName),
    /// A pod.
    Pod(PodRef),
    /// A budget.
    Pdb(PdbRef),
    /// Budgets that are in each other's way.
    Budgets(Vec<PdbRef>),
    /// What a person changes to change pods: a Deployment, a StatefulSet, a DaemonSet of somebody's own.
    Workload {
        /// Where.
        namespace: String,
        /// Which.
        owner: Owner,
    },
    /// An instance.
    Instance(InstanceId),
    /// The Auto Scaling group: what it launches, and that it does.
    Asg(AsgName),
    /// The managed node group.
    Nodegroup(NodegroupName),
    /// An update of it that EKS keeps.
    Update(String),
    /// A `PersistentVolumeClaim`.
    Claim {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
    /// A namespace.
    Namespace(String),
    /// A `ResourceQuota`.
    Quota {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
    /// A webhook of the API server, by its name: refusals quote it, and not the configuration that it stands in.
    Webhook(String),
    /// A `ValidatingAdmissionPolicy`.
    AdmissionPolicy(String),
    /// A right that is missing, as `create pods/eviction in namespace shop`.
    Right(String),
    /// The API server of Kubernetes itself.
    ApiServer,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node/{node}"),
            Self::Pod(pod) => pod.fmt(f),
            Self::Pdb(pdb) => pdb.fmt(f),
            Self::Budgets(pdbs) => {
                let names: Vec<_> = pdbs.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(" and "))
            }
            Self::Workload { namespace, owner } => {
                write!(f, "{}/{namespace}/{}", owner.kind.to_lowercase(), owner.name)
            }
            Self::Instance(instance) => write!(f, "instance/{instance}"),
            Self::Asg(asg) => write!(f, "asg/{asg}"),
            Self::Nodegroup(nodegroup) => write!(f, "nodegroup/{nodegroup}"),
            Self::Update(id) => write!(f, "update/{id}"),
            Self::Claim { namespace, name } => write!(f, "persistentvolumeclaim/{namespace}/{name}"),
            Self::Namespace(name) => write!(f, "namespace/{name}"),
            Self::Quota { namespace, name } => write!(f, "resourcequota/{namespace}/{name}"),
            Self::Webhook(name) => write!(f, "webhook/{name}"),
            Self::AdmissionPolicy(name) => write!(f, "validatingadmissionpolicy/{name}"),
            Self::Right(right) => write!(f, "the right to {right}"),
            Self::ApiServer => f.write_str("the API server"),
        }
    }
}
