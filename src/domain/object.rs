//! What a finding is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NodeName, Owner, PdbRef, PodRef};

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
        }
    }
}
