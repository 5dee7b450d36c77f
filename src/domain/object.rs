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

/// Where the API server keeps Events about what is in no namespace, and about namespaces themselves.
const EVENTS_OF_THE_CLUSTER: &str = "default";

impl Object {
    /// Its namespace, or itself where it is one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Pod(pod) => Some(&pod.namespace),
            Self::Pdb(pdb) => Some(&pdb.namespace),
            Self::Budgets(pdbs) => pdbs.first().map(|pdb| pdb.namespace.as_str()),
            Self::Workload { namespace, .. } | Self::Claim { namespace, .. } | Self::Quota { namespace, .. } => {
                Some(namespace)
            }
            Self::Namespace(name) => Some(name),
            Self::Node(_)
            | Self::Instance(_)
            | Self::Asg(_)
            | Self::Nodegroup(_)
            | Self::Update(_)
            | Self::Webhook(_)
            | Self::AdmissionPolicy(_)
            | Self::Right(_)
            | Self::ApiServer => None,
        }
    }

    /// The budget that it is, or those.
    #[must_use]
    pub fn budgets(&self) -> &[PdbRef] {
        if let Self::Budgets(pdbs) = self {
            return pdbs;
        }
        if let Self::Pdb(pdb) = self { std::slice::from_ref(pdb) } else { &[] }
    }

    /// Its kind and its name, as an object of Kubernetes that has one of each.
    #[must_use]
    pub fn kind_and_name(&self) -> Option<(&str, &str)> {
        Some(match self {
            Self::Node(node) => ("Node", node.as_str()),
            Self::Pod(pod) => ("Pod", &pod.name),
            Self::Pdb(pdb) => ("PodDisruptionBudget", &pdb.name),
            Self::Workload { owner, .. } => (&owner.kind, &owner.name),
            Self::Claim { name, .. } => ("PersistentVolumeClaim", name),
            Self::Namespace(name) => ("Namespace", name),
            Self::Quota { name, .. } => ("ResourceQuota", name),
            Self::AdmissionPolicy(name) => ("ValidatingAdmissionPolicy", name),
            Self::Budgets(_)
            | Self::Instance(_)
            | Self::Asg(_)
            | Self::Nodegroup(_)
            | Self::Update(_)
            | Self::Webhook(_)
            | Self::Right(_)
            | Self::ApiServer => return None,
        })
    }

    /// The namespace in which Events about it are, where it is something that Kubernetes keeps any about.
    #[must_use]
    pub fn events_in(&self) -> Option<&str> {
        let (kind, _) = self.kind_and_name()?;
        let of_its_own = self.namespace().filter(|_| kind != "Namespace");
        Some(of_its_own.unwrap_or(EVENTS_OF_THE_CLUSTER))
    }

    /// The name by which sentences that say what it is call it: `cart-1`, `ip-10-0-1-7`.
    #[must_use]
    pub fn called(&self) -> String {
        if let Self::Instance(instance) = self {
            return instance.to_string();
        }
        match self.kind_and_name() {
            Some(("Pod", name)) => name.to_owned(),
            Some(("Node", name)) => name.split('.').next().unwrap_or_default().to_owned(),
            Some(_) | None => self.to_string(),
        }
    }
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
