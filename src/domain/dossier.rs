//! Questions that a diagnosis asks, and what was answered so far.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AccessEntries, Attachment, Claim, ClusterNode, EksUpdate, Known, KubeEvent, Lack, LifecycleHook, Namespace,
    NodeManagerRole, NodeName, NodegroupName, Object, Owner, PdbRef, Pod, PodRef, Quota, Refusal, Subnet, Webhook,
    Workload, elapsed,
};

/// Something that a diagnosis has to know and that no list brings: asked only about what matters to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// The pods on a node; they become part of the snapshot.
    PodsOn(NodeName),
    /// The pods that a budget counts, wherever they run; they become part of the snapshot.
    PodsOf(PdbRef),
    /// A pod, wherever it is, and if it is nowhere.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Events about an object.
    Events(Object),
    /// A controller of pods.
    Workload {
        /// Its namespace.
        namespace: String,
        /// It.
        owner: Owner,
    },
    /// The pods of a `DaemonSet`, on all nodes or on one.
    DaemonPods {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// On this node.
        node: NodeName,
    },
    /// All nodes of the cluster.
    AllNodes,
    /// A claim and its volume.
    Claim {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// All volume attachments.
    Attachments,
    /// The quotas of a namespace.
    Quotas(String),
    /// A namespace.
    Namespace(String),
    /// The webhooks that are asked about evictions.
    Webhooks,
    /// How many endpoints of a service are ready.
    Endpoints {
        /// Its namespace.
        namespace: String,
        /// Its name.
        service: String,
    },
    /// The role that EKS's updates act with.
    NodeManagerRole,
    /// The roles in `configmap/aws-auth`.
    AwsAuth,
    /// Whether the server would let this pod be evicted: tried without effect.
    TryEviction(PodRef),
    /// The group's lifecycle hooks.
    Hooks,
    /// The group's subnets.
    Subnets,
    /// An update of the node group by its id; without one the newest that failed or is under way, where no later update of
    /// the version went well.
    Update(Option<String>),
    /// The updates of the node group that EKS keeps.
    Updates,
    /// Which other node group of the cluster has the update with this id.
    UpdateElsewhere(String),
    /// The principals with an access entry.
    AccessEntries,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// To [`Ask::Pod`]; none when it does not exist.
    Pod(Option<Box<Pod>>),
    /// To [`Ask::Events`], the youngest last.
    Events(Vec<KubeEvent>),
    /// To [`Ask::Workload`]; none when it does not exist.
    Workload(Option<Workload>),
    /// To [`Ask::DaemonPods`].
    Pods(Vec<Pod>),
    /// To [`Ask::AllNodes`].
    Nodes(Vec<ClusterNode>),
    /// To [`Ask::Claim`]; none when it does not exist.
    Claim(Option<Claim>),
    /// To [`Ask::Attachments`].
    Attachments(Vec<Attachment>),
    /// To [`Ask::Quotas`].
    Quotas(Vec<Quota>),
    /// To [`Ask::Namespace`]; none when it does not exist.
    Namespace(Option<Namespace>),
    /// To [`Ask::Webhooks`].
    Webhooks(Vec<Webhook>),
    /// To [`Ask::Endpoints`]; none when the service does not exist.
    Endpoints(Option<u32>),
    /// To [`Ask::NodeManagerRole`].
    NodeManagerRole(NodeManagerRole),
    /// To [`Ask::AwsAuth`]: ARNs; none when there is no such map.
    AwsAuth(Option<Vec<String>>),
    /// To [`Ask::TryEviction`]: the refusal, if it is one.
    Eviction(Option<Refusal>),
    /// To [`Ask::Hooks`].
    Hooks(Vec<LifecycleHook>),
    /// To [`Ask::Subnets`].
    Subnets(Vec<Subnet>),
    /// To [`Ask::Update`]; none when the group has no such update.
    Update(Option<EksUpdate>),
    /// To [`Ask::Updates`], the newest first.
    Updates(Vec<EksUpdate>),
    /// To [`Ask::UpdateElsewhere`]; none when none has it.
    Nodegroup(Option<NodegroupName>),
    /// To [`Ask::AccessEntries`].
    AccessEntries(AccessEntries),
}

/// What was asked, and the answer or why there is none.
pub type Answer = (Ask, Known<Fact>);

/// What was answered so far.
#[derive(Clone, Debug, Default)]
pub struct Dossier {
    answers: BTreeMap<Ask, (Timestamp, Known<Fact>)>,
}

/// Whom an ask goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oracle {
    /// Whoever watches pods.
    Watch,
    /// The Kubernetes API server.
    Cluster,
    /// AWS.
    Cloud,
}

impl Ask {
    /// Whom it goes to.
    #[must_use]
    pub fn oracle(&self) -> Oracle {
        match self {
            Self::PodsOn(_) | Self::PodsOf(_) => Oracle::Watch,
            Self::Pod { .. }
            | Self::Events(_)
            | Self::Workload { .. }
            | Self::DaemonPods { .. }
            | Self::AllNodes
            | Self::Claim { .. }
            | Self::Attachments
            | Self::Quotas(_)
            | Self::Namespace(_)
            | Self::Webhooks
            | Self::Endpoints { .. }
            | Self::NodeManagerRole
            | Self::AwsAuth
            | Self::TryEviction(_) => Oracle::Cluster,
            Self::Hooks
            | Self::Subnets
            | Self::Update(_)
            | Self::Updates
            | Self::UpdateElsewhere(_)
            | Self::AccessEntries => Oracle::Cloud,
        }
    }

    /// For how long an answer is good enough: what somebody must change to clear a block is read again in time to see it,
    /// and what costs a whole list seldom.
    fn fresh_for(&self) -> Duration {
        Duration::from_secs(match self {
            Self::PodsOn(_)
            | Self::PodsOf(_)
            | Self::Pod { .. }
            | Self::Events(_)
            | Self::DaemonPods { .. }
            | Self::TryEviction(_) => 15,
            Self::Workload { .. }
            | Self::Claim { .. }
            | Self::Attachments
            | Self::Quotas(_)
            | Self::Namespace(_)
            | Self::Endpoints { .. } => 30,
            Self::AllNodes
            | Self::Webhooks
            | Self::NodeManagerRole
            | Self::AwsAuth
            | Self::Hooks
            | Self::Subnets
            | Self::Update(_)
            | Self::Updates
            | Self::UpdateElsewhere(_)
            | Self::AccessEntries => 60,
        })
    }
}

/// A refusal to answer is believed for so long: rights are not given every minute.
const REFUSED_FOR: Duration = Duration::from_mins(5);

impl Dossier {
    /// Takes in an answer.
    pub fn apply(&mut self, now: Timestamp, (ask, answer): Answer) {
        self.answers.insert(ask, (now, answer));
    }

    /// Those of these that were not answered, or too long ago.
    #[must_use]
    pub fn open(&self, asks: &BTreeSet<Ask>, now: Timestamp) -> BTreeSet<Ask> {
        let is_answered = |ask: &&Ask| {
            self.answers.get(ask).is_some_and(|(at, answer)| {
                let good_for = match answer {
                    Known::Is(_) => ask.fresh_for(),
                    Known::Unknown(_) => REFUSED_FOR,
                };
                elapsed(*at, now) < good_for
            })
        };
        asks.iter().filter(|ask| !is_answered(ask)).cloned().collect()
    }

    /// When this was answered last, if it was.
    #[must_use]
    pub fn answered_at(&self, ask: &Ask) -> Option<Timestamp> {
        self.answers.get(ask).map(|(at, _)| *at)
    }

    /// Forgets answers that nobody asks for any more.
    pub fn keep_only(&mut self, asks: &BTreeSet<Ask>) {
        self.answers.retain(|ask, _| asks.contains(ask));
    }

    /// The answer to this, or why there is none.
    #[must_use]
    pub fn answer<T>(&self, query: &Query<T>) -> Known<&T> {
        match self.answers.get(&query.ask) {
            None => Known::Unknown(Lack::NotRead),
            Some((_, Known::Unknown(lack))) => Known::Unknown(lack.clone()),
            Some((_, Known::Is(fact))) => (query.pick)(fact).map_or(Known::Unknown(Lack::NotRead), Known::Is),
        }
    }
}

/// An ask that knows what its answer is.
#[derive(Clone, Debug)]
pub struct Query<T> {
    /// It.
    pub ask: Ask,
    pick: fn(&Fact) -> Option<&T>,
}

/// Asks by what they are answered with.
macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $answer:ty = $ask:expr => $fact:ident;)*) => {
        impl Ask {
            $($(#[$doc])* #[must_use]
            pub fn $name($($arg: $type),*) -> Query<$answer> {
                fn pick(fact: &Fact) -> Option<&$answer> {
                    if let Fact::$fact(answer) = fact { Some(answer) } else { None }
                }
                Query { ask: $ask, pick }
            })*
        }
    };
}

queries! {
    /// The pods that a budget counts, where nobody watches them.
    pods_of(pdb: &PdbRef) -> Vec<Pod> = Self::PodsOf(pdb.clone()) => Pods;
    /// A pod, wherever it is.
    pod(namespace: &str, name: &str) -> Option<Box<Pod>>
        = Self::Pod { namespace: namespace.to_owned(), name: name.to_owned() } => Pod;
    /// Events about an object, the youngest last.
    events(object: &Object) -> Vec<KubeEvent> = Self::Events(object.clone()) => Events;
    /// A controller of pods.
    workload(namespace: &str, owner: &Owner) -> Option<Workload>
        = Self::Workload { namespace: namespace.to_owned(), owner: owner.clone() } => Workload;
    /// The pods of a `DaemonSet` on a node.
    daemon_pods(namespace: &str, name: &str, node: &NodeName) -> Vec<Pod>
        = Self::DaemonPods { namespace: namespace.to_owned(), name: name.to_owned(), node: node.clone() } => Pods;
    /// All nodes of the cluster.
    all_nodes() -> Vec<ClusterNode> = Self::AllNodes => Nodes;
    /// A claim and its volume.
    claim(namespace: &str, name: &str) -> Option<Claim>
        = Self::Claim { namespace: namespace.to_owned(), name: name.to_owned() } => Claim;
    /// All volume attachments.
    attachments() -> Vec<Attachment> = Self::Attachments => Attachments;
    /// The quotas of a namespace.
    quotas(namespace: &str) -> Vec<Quota> = Self::Quotas(namespace.to_owned()) => Quotas;
    /// A namespace.
    namespace(name: &str) -> Option<Namespace> = Self::Namespace(name.to_owned()) => Namespace;
    /// The webhooks that are asked about evictions.
    webhooks() -> Vec<Webhook> = Self::Webhooks => Webhooks;
    /// How many endpoints of a service are ready.
    endpoints(namespace: &str, service: &str) -> Option<u32>
        = Self::Endpoints { namespace: namespace.to_owned(), service: service.to_owned() } => Endpoints;
    /// The role that EKS's updates act with.
    node_manager_role() -> NodeManagerRole = Self::NodeManagerRole => NodeManagerRole;
    /// The roles in `configmap/aws-auth`.
    auth_map() -> Option<Vec<String>> = Self::AwsAuth => AwsAuth;
    /// What the server says to an eviction of this pod.
    try_eviction(pod: &PodRef) -> Option<Refusal> = Self::TryEviction(pod.clone()) => Eviction;
    /// The group's lifecycle hooks.
    hooks() -> Vec<LifecycleHook> = Self::Hooks => Hooks;
    /// The group's subnets.
    subnets() -> Vec<Subnet> = Self::Subnets => Subnets;
    /// An update of the node group, or the latest.
    update(id: Option<&str>) -> Option<EksUpdate> = Self::Update(id.map(str::to_owned)) => Update;
    /// The updates of the node group, the newest first.
    updates() -> Vec<EksUpdate> = Self::Updates => Updates;
    /// Which other node group of the cluster has this update.
    update_elsewhere(id: &str) -> Option<NodegroupName> = Self::UpdateElsewhere(id.to_owned()) => Nodegroup;
    /// The principals with an access entry, and whether that counts.
    access_entries() -> AccessEntries = Self::AccessEntries => AccessEntries;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ages_and_a_refusal_is_believed_longer() {
        let asks: BTreeSet<_> = [Ask::Hooks, Ask::Subnets].into();
        let start = Timestamp::UNIX_EPOCH;
        let mut dossier = Dossier::default();
        assert_eq!(dossier.open(&asks, start), asks);
        assert_eq!(dossier.answer(&Ask::hooks()), Known::Unknown(Lack::NotRead));
        dossier.apply(start, (Ask::Hooks, Known::Is(Fact::Hooks(Vec::new()))));
        dossier.apply(start, (Ask::Subnets, Known::Unknown(Lack::Right("ec2:DescribeSubnets".to_owned()))));
        assert_eq!(dossier.answer(&Ask::hooks()), Known::Is(&Vec::new()));
        let open = |seconds| dossier.open(&asks, start + Duration::from_secs(seconds));
        assert!(open(59).is_empty());
        assert_eq!(open(61), [Ask::Hooks].into());
        assert_eq!(open(301), asks);
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let mut dossier = Dossier::default();
        dossier.apply(Timestamp::UNIX_EPOCH, (Ask::Hooks, Known::Is(Fact::Subnets(Vec::new()))));
        assert_eq!(dossier.answer(&Ask::hooks()), Known::Unknown(Lack::NotRead));
    }
}
