//! Names as types, so that a node is never taken for an instance.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is; nothing is checked.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

name!(
    /// An EKS cluster's name.
    ClusterName
);
name!(
    /// A managed node group's name within its cluster.
    NodegroupName
);
name!(
    /// An Auto Scaling group's name.
    AsgName
);
name!(
    /// A Kubernetes Node's name.
    NodeName
);
name!(
    /// An EC2 instance id, `i-…`.
    InstanceId
);
name!(
    /// An availability zone, `eu-west-1a`.
    Zone
);
name!(
    /// A Kubernetes object's uid.
    Uid
);
name!(
    /// One run of mngup over one group; resumed runs keep it.
    RunId
);

/// What the user pointed at: a managed node group or an Auto Scaling group of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupName {
    /// `--nodegroup`
    Nodegroup(NodegroupName),
    /// `--asg`
    Asg(AsgName),
}

impl GroupName {
    /// The bare name, without its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Nodegroup(name) => name.as_str(),
            Self::Asg(name) => name.as_str(),
        }
    }

    /// The flag that names this group on the command line.
    #[must_use]
    pub fn flag(&self) -> &'static str {
        match self {
            Self::Nodegroup(_) => "--nodegroup",
            Self::Asg(_) => "--asg",
        }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodegroup(name) => write!(f, "nodegroup/{name}"),
            Self::Asg(name) => write!(f, "asg/{name}"),
        }
    }
}

/// One pod, not merely its name: a StatefulSet's pod comes back under the same name with another uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod/{}/{}", self.namespace, self.name)
    }
}

/// A `PodDisruptionBudget` by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PdbRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for PdbRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pdb/{}/{}", self.namespace, self.name)
    }
}

/// A `DaemonSet` by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DaemonSetRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl DaemonSetRef {
    /// Whether it gives a node its network, by the names that the usual ones go by: until it runs there, no node is Ready.
    #[must_use]
    pub fn is_network_plugin(&self) -> bool {
        matches!(self.name.as_str(), "aws-node" | "cilium" | "calico-node")
    }
}

impl fmt::Display for DaemonSetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "daemonset/{}/{}", self.namespace, self.name)
    }
}
