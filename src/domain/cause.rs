//! The catalogue of causes: what can keep a node from being emptied, each with its stable code.
//!
//! One table: the pages in `docs/causes/`, `mngup explain` and the proofs are checked against it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a cause is to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// What a `PodDisruptionBudget` refuses.
    Budget,
    /// What keeps a pod that is to leave, budgets aside.
    Leaving,
    /// What refuses an eviction, budgets aside.
    Refused,
    /// What keeps a pod that others count on from being Ready.
    Container,
    /// What keeps it from being placed on a node, or from being made at all.
    Pending,
    /// What keeps its volumes from it.
    Volume,
    /// What keeps a node from serving, or its Node from going.
    Node,
    /// What keeps an instance from becoming a node, or from leaving.
    Join,
    /// What keeps instances from being launched.
    Launch,
    /// What about the group stands in an upgrade's way.
    Group,
    /// What EKS says is wrong, and what its own updates left behind.
    Eks,
}

/// How a cause stands to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// A cause of its own, whatever lies below it.
    Root,
    /// It shows what lies below it, and is folded under that.
    Symptom,
    /// Worth knowing; it holds nothing.
    Aside,
}

macro_rules! catalogue {
    ($($name:ident, $code:literal, $family:ident, $stand:ident, $title:literal;)*) => {
        /// A cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $(#[doc = $title] $name,)*
        }

        impl Cause {
            /// All of them, by family.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its stable name: what people search for, and scripts compare with.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// It in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Where it belongs.
            #[must_use]
            pub fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)* }
            }

            /// How it stands to others.
            #[must_use]
            pub fn stand(self) -> Stand {
                match self { $(Self::$name => Stand::$stand,)* }
            }
        }
    };
}

catalogue! {
    PdbNeverAllows, "PDB-NEVER-ALLOWS", Budget, Root, "a budget that can never allow an eviction";
    PdbExhausted, "PDB-EXHAUSTED", Budget, Symptom, "a budget that is used up for now";
    PdbUnhealthyBlocks, "PDB-UNHEALTHY-BLOCKS", Budget, Root, "a pod that is not Ready may not leave because its budget is short";
    PdbSyncFailed, "PDB-SYNC-FAILED", Budget, Root, "a budget that the disruption controller cannot calculate";
    TwoBudgets, "TWO-BUDGETS", Budget, Root, "more than one budget counts the same pod";
    PdbStaleDisrupted, "PDB-STALE-DISRUPTED", Budget, Root, "a budget that still counts an eviction which never happened";
    PdbStatusBehind, "PDB-STATUS-BEHIND", Budget, Root, "a budget whose status is behind";
    LandsBack, "LANDS-BACK", Leaving, Root, "pods come back onto the cordoned node";
    BarePod, "BARE-POD", Leaving, Root, "a pod that nothing brings back";
    LongGrace, "LONG-GRACE", Leaving, Root, "a pod that may take longer to stop than its node waits";
    StuckTerminating, "STUCK-TERMINATING", Leaving, Root, "a pod that should be gone and is not";
    Finalizer, "FINALIZER", Leaving, Root, "a pod that somebody else must let go of first";
    Unexplained, "UNEXPLAINED", Leaving, Root, "something holds, and mngup cannot say why";
    StaysByDesign, "STAYS-BY-DESIGN", Leaving, Aside, "a pod that belongs to its node and goes with it";
    AutoscalerKeeps, "AUTOSCALER-KEEPS", Leaving, Aside, "a pod that an autoscaler must not move";
    WebhookDenies, "WEBHOOK-DENIES", Refused, Root, "an admission webhook says no to the eviction";
    WebhookDown, "WEBHOOK-DOWN", Refused, Root, "an admission webhook that does not answer";
    NamespaceTerminating, "NAMESPACE-TERMINATING", Refused, Root, "a namespace that is being deleted and does not get done";
    RightsEvict, "RIGHTS-EVICT", Refused, Root, "mngup may not evict";
    ApiBusy, "API-BUSY", Refused, Root, "a server that asks to come back later";
    PodCrashLoop, "POD-CRASH-LOOP", Container, Root, "a container that ends again and again";
    PodImagePull, "POD-IMAGE-PULL", Container, Root, "an image that the node cannot get";
    PodConfigMissing, "POD-CONFIG-MISSING", Container, Root, "a container that lacks something its spec names";
    PodInitFails, "POD-INIT-FAILS", Container, Root, "an init container that does not get done";
    PodNoAddress, "POD-NO-ADDRESS", Container, Root, "no address for a pod";
    PodSandbox, "POD-SANDBOX", Container, Root, "a pod whose sandbox cannot be made";
    PodProbeGate, "POD-PROBE-GATE", Container, Root, "a readiness gate that stays shut";
    PodNotReady, "POD-NOT-READY", Container, Root, "a pod that runs and does not become Ready";
    PodStarting, "POD-STARTING", Container, Root, "a pod that still takes its normal time to start";
    NoCapacity, "NO-CAPACITY", Pending, Symptom, "no node has room for a replacement";
    PodTooLarge, "POD-TOO-LARGE", Pending, Root, "a pod that fits on no node, not even an empty one";
    PodAffinity, "POD-AFFINITY", Pending, Root, "no node has what the pod's affinity asks for";
    PodAntiAffinity, "POD-ANTI-AFFINITY", Pending, Symptom, "pods that must not share a node, and no node to themselves";
    PodTaints, "POD-TAINTS", Pending, Root, "every node that is left has a taint the pod does not tolerate";
    SchedulingGated, "SCHEDULING-GATED", Pending, Root, "a pod that the scheduler may not look at yet";
    NoScheduler, "NO-SCHEDULER", Pending, Root, "a pod that no scheduler cares for";
    ClaimPending, "CLAIM-PENDING", Pending, Root, "a pod whose volume does not exist yet";
    PodPending, "POD-PENDING", Pending, Root, "a pod that no node takes";
    Quota, "QUOTA", Pending, Root, "a quota of the namespace forbids the replacement";
    CreateRefused, "CREATE-REFUSED", Pending, Root, "the server does not let the replacement be made";
    VolumeZone, "VOLUME-ZONE", Pending, Symptom, "a volume that cannot leave its zone, and no node there";
    VolumeAttached, "VOLUME-ATTACHED", Volume, Root, "a volume that is still attached to another node";
    VolumeDetaching, "VOLUME-DETACHING", Volume, Root, "volumes of a node are still being detached";
    KubeletSilent, "KUBELET-SILENT", Node, Root, "a node whose kubelet no longer answers";
    NodeNotReady, "NODE-NOT-READY", Node, Root, "a node that says of itself that it is not Ready";
    NodeCni, "NODE-CNI", Node, Root, "a node whose network plugin does not come up";
    NodeRuntime, "NODE-RUNTIME", Node, Root, "a node whose container runtime does not work";
    NodeNoAddresses, "NODE-NO-ADDRESSES", Node, Root, "a new node that gets no addresses for its pods";
    NodeDaemonset, "NODE-DAEMONSET", Node, Root, "a new node on which a DaemonSet is not ready";
    NodeTaintStays, "NODE-TAINT-STAYS", Node, Root, "a taint of the start that a new node does not lose";
    NodeResourceMissing, "NODE-RESOURCE-MISSING", Node, Root, "a new node that lacks a resource the old ones have";
    NodeCordonedNew, "NODE-CORDONED-NEW", Node, Root, "a new node that somebody cordoned";
    NodeOutlivesInstance, "NODE-OUTLIVES-INSTANCE", Node, Root, "a Node whose instance is gone";
    HookHoldsLaunch, "HOOK-HOLDS-LAUNCH", Join, Root, "a lifecycle hook holds a new instance";
    HookHoldsTermination, "HOOK-HOLDS-TERMINATION", Join, Root, "a lifecycle hook holds an instance that should go";
    InstanceNeverJoined, "INSTANCE-NEVER-JOINED", Join, Root, "an instance runs and no Node comes of it";
    JoinNoAccess, "JOIN-NO-ACCESS", Join, Root, "instances run, but the cluster does not know their IAM role";
    InstanceProtected, "INSTANCE-PROTECTED", Join, Root, "an instance that a shrinking group may not take";
    InstanceWrongTemplate, "INSTANCE-WRONG-TEMPLATE", Join, Root, "a new instance that is not of the new version";
    InstanceLost, "INSTANCE-LOST", Join, Root, "instances that somebody else ends again and again";
    LaunchNoCapacity, "LAUNCH-NO-CAPACITY", Launch, Root, "AWS has no such instance to give in that zone";
    LaunchQuota, "LAUNCH-QUOTA", Launch, Root, "the account may not run more instances";
    LaunchNoAddresses, "LAUNCH-NO-ADDRESSES", Launch, Root, "a subnet without an address for the instance";
    LaunchTemplate, "LAUNCH-TEMPLATE", Launch, Root, "the launch template cannot be used as it is";
    LaunchAmi, "LAUNCH-AMI", Launch, Root, "the image is not there, or not for this account or type";
    LaunchKeyPair, "LAUNCH-KEY-PAIR", Launch, Root, "the SSH key pair does not exist any more";
    LaunchKms, "LAUNCH-KMS", Launch, Root, "the disk's key may not be used";
    LaunchSpotPrice, "LAUNCH-SPOT-PRICE", Launch, Root, "the highest spot price that is allowed is too low";
    LaunchSecurityGroup, "LAUNCH-SECURITY-GROUP", Launch, Root, "a security group of the template does not exist";
    LaunchUnsupported, "LAUNCH-UNSUPPORTED", Launch, Root, "this type or configuration cannot be had there";
    LaunchDevice, "LAUNCH-DEVICE", Launch, Root, "a disk of the template has a name or form that does not work";
    LaunchRights, "LAUNCH-RIGHTS", Launch, Root, "the group's role may not launch what the template asks for";
    LaunchSuspended, "LAUNCH-SUSPENDED", Launch, Root, "launching is suspended on the Auto Scaling group";
    LaunchAtMax, "LAUNCH-AT-MAX", Launch, Root, "the group is as large as it may be";
    LaunchSilent, "LAUNCH-SILENT", Launch, Root, "the group owes an instance and does nothing";
    LaunchFails, "LAUNCH-FAILS", Launch, Root, "a launch fails for a reason mngup has no page for";
    GroupUpdating, "GROUP-UPDATING", Group, Root, "EKS itself is updating this node group";
    GroupNotActive, "GROUP-NOT-ACTIVE", Group, Root, "the node group is being made or deleted, or that failed";
    GroupSuspended, "GROUP-SUSPENDED", Group, Root, "launching or terminating is suspended on the Auto Scaling group";
    GroupInstanceRefresh, "GROUP-INSTANCE-REFRESH", Group, Root, "an instance refresh replaces nodes of the group";
    GroupOperated, "GROUP-OPERATED", Group, Root, "only an AWS service may change this Auto Scaling group";
    GroupNoTemplate, "GROUP-NO-TEMPLATE", Group, Root, "a group without a launch template";
    GroupWeights, "GROUP-WEIGHTS", Group, Root, "the group's size does not count instances";
    NodeManagerRights, "NODE-MANAGER-RIGHTS", Eks, Root, "EKS may not drain the nodes of its own node groups";
    EksTemplateMismatch, "EKS-TEMPLATE-MISMATCH", Eks, Root, "the group has a launch template version that EKS did not make";
    EksTemplateGone, "EKS-TEMPLATE-GONE", Eks, Root, "a launch template of the node group was deleted";
    EksGroupChanged, "EKS-GROUP-CHANGED", Eks, Root, "EKS does not find its Auto Scaling group as it made it";
    EksRoleGone, "EKS-ROLE-GONE", Eks, Root, "the IAM role or instance profile of the nodes is gone";
    EksSecurityGroupGone, "EKS-SECURITY-GROUP-GONE", Eks, Root, "a security group that EKS needs does not exist";
    EksSubnet, "EKS-SUBNET", Eks, Root, "a subnet of the node group is gone or not fit";
    EksLimit, "EKS-LIMIT", Eks, Root, "a quota of the account other than that of instances";
    EksClusterUnreachable, "EKS-CLUSTER-UNREACHABLE", Eks, Root, "EKS or its nodes cannot reach the API server";
    EksLabel, "EKS-LABEL", Eks, Root, "a label of the node group that Kubernetes does not accept";
    EksAccessDenied, "EKS-ACCESS-DENIED", Eks, Root, "EKS or the nodes are refused by the cluster or by AWS";
    EksDeletionStuck, "EKS-DELETION-STUCK", Eks, Root, "EKS cannot delete something of the node group";
    EksAwsInternal, "EKS-AWS-INTERNAL", Eks, Root, "a fault on the side of EKS";
    EksLeftCordoned, "EKS-LEFT-CORDONED", Eks, Root, "nodes that a failed update of EKS left cordoned";
    EksLeftSize, "EKS-LEFT-SIZE", Eks, Root, "a failed update of EKS left the group larger than before";
    EksMixedVersions, "EKS-MIXED-VERSIONS", Eks, Root, "nodes of one group run different versions";
    EksIssue, "EKS-ISSUE", Eks, Symptom, "EKS reports something mngup has no page for";
}

impl Cause {
    /// The cause that is called so, in capitals or not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code = text.trim().to_uppercase().replace('_', "-");
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
    }
}

impl Family {
    /// All of them, in the order in which they are told.
    pub const ALL: &[Self] = &[
        Self::Budget,
        Self::Leaving,
        Self::Refused,
        Self::Container,
        Self::Pending,
        Self::Volume,
        Self::Node,
        Self::Join,
        Self::Launch,
        Self::Group,
        Self::Eks,
    ];

    /// What its causes have in common.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Budget => "a PodDisruptionBudget refuses",
            Self::Leaving => "a pod that is to leave does not",
            Self::Refused => "the server refuses an eviction for another reason",
            Self::Container => "a pod that others wait for is not Ready",
            Self::Pending => "a pod that others wait for has no node, or is not made",
            Self::Volume => "a volume is not where it is needed",
            Self::Node => "a node does not serve, or stays after its instance",
            Self::Join => "an instance does not become a node, or does not go",
            Self::Launch => "the group launches no instance",
            Self::Group => "the group is not fit for an upgrade",
            Self::Eks => "EKS itself says so, or left it behind",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).ok_or_else(|| serde::de::Error::custom(format!("no cause is called {code}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_stable_names_that_a_shell_takes_as_one_word() {
        let codes: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        for code in codes {
            assert!(code.chars().all(|c| c.is_ascii_uppercase() || c == '-'), "{code}");
            assert!(code.starts_with(|c: char| c.is_ascii_uppercase()), "{code}");
            assert_eq!(Cause::parse(&code.to_lowercase().replace('-', "_")).map(Cause::code), Some(code));
        }
        assert_eq!(Cause::parse("PDB"), None);
    }
}
