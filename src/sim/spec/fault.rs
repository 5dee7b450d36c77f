//! What goes wrong in a world, and what others do meanwhile.

use std::time::Duration;

use serde::Deserialize;

use super::units::{optional_span, span};
use crate::domain::{IntOrPercent, TaintEffect};

/// One thing that happens at a time, counted from the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fault {
    /// When.
    #[serde(with = "span")]
    pub at: Duration,
    /// What.
    pub what: FaultKind,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// EC2 takes the machine away.
    SpotLoss {
        /// Which.
        node: Target,
    },
    /// The kubelet says that its node is not ready.
    NotReady {
        /// Which.
        node: Target,
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
        /// What it says of itself; none says that it is not Ready.
        #[serde(default)]
        says: Option<String>,
    },
    /// The kubelet dies: nothing starts and nothing stops there.
    KubeletDead {
        /// Which.
        node: Target,
    },
    /// Launches fail.
    LaunchesFail {
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
        /// Only in this zone.
        #[serde(default)]
        zone: Option<String>,
        /// Why: `capacity`, `vcpu-limit`, `addresses`, or the words of the activity.
        #[serde(default)]
        reason: Option<String>,
    },
    /// The group does not see that instances are missing.
    LaunchesStall {
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
    },
    /// Somebody suspends a process of the group.
    Suspend {
        /// `Launch`, `Terminate`, …
        process: String,
    },
    /// Nodes of instances that are launched from now on never register.
    NeverJoin {
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
    },
    /// Nodes that register from now on never become Ready.
    NeverReady {
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
        /// What they say of themselves; none says that they are not Ready.
        #[serde(default)]
        says: Option<String>,
    },
    /// Instances that are launched from now on are of the old template version, as from a warm pool that was filled before.
    StaleLaunches {
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
    },
    /// EC2 takes every machine away that is launched from now on, as soon as it runs.
    LaunchesLost {
        /// How long; none for ever.
        #[serde(default, with = "optional_span")]
        lasts: Option<Duration>,
    },
    /// Somebody has the group want fewer.
    Shrink {
        /// So many.
        by: u32,
    },
    /// EC2 has no more instances of this type; the group's other types are launched instead.
    TypeRunsOut {
        /// Which, `m6i.large`.
        instance_type: String,
    },
    /// Somebody taints the nodes that the group has.
    Taint {
        /// The taint's key.
        key: String,
        /// Its value.
        #[serde(default)]
        value: String,
        /// Its effect.
        effect: TaintEffect,
    },
    /// Volumes of a workload are not detached any more from nodes that are there.
    AttachmentsStick {
        /// Namespace and name, `shop/db`.
        workload: String,
    },
    /// An admin uncordons.
    Uncordon {
        /// Which.
        node: Target,
    },
    /// An admin cordons.
    Cordon {
        /// Which.
        node: Target,
    },
    /// Somebody deletes a pod of a workload.
    DeletePod {
        /// Namespace and name of the workload, `shop/cart`.
        workload: String,
    },
    /// Somebody scales a workload.
    Scale {
        /// Namespace and name, `shop/cart`.
        workload: String,
        /// To so many.
        replicas: u32,
    },
    /// Somebody changes a budget.
    ChangeBudget {
        /// Namespace and name, `shop/cart`.
        budget: String,
        /// To so many that must stay.
        #[serde(default)]
        min_available: Option<IntOrPercent>,
        /// To so many that may be out.
        #[serde(default)]
        max_unavailable: Option<IntOrPercent>,
    },
    /// Somebody deletes a budget.
    DeleteBudget {
        /// Namespace and name, `shop/cart`.
        budget: String,
    },
    /// The eviction of one of its pods was accepted and came to nothing, and the budgets' controller never stops waiting.
    DisruptedSticks {
        /// Namespace and name, `shop/cart`.
        budget: String,
    },
    /// Somebody deletes a namespace, its pods with it.
    DeleteNamespace {
        /// Which.
        namespace: String,
    },
    /// Somebody deletes a namespace, and what is in it stays.
    NamespaceHangs {
        /// Which.
        namespace: String,
        /// What its controller says.
        says: String,
    },
    /// Somebody takes the finalizers off the pods of a workload.
    RemoveFinalizers {
        /// Namespace and name, `shop/cart`.
        workload: String,
    },
    /// Somebody terminates an instance of the group.
    Terminate {
        /// Which.
        node: Target,
    },
    /// Somebody has the group want more nodes, as far as its maximum allows.
    Grow {
        /// So many.
        by: u32,
    },
    /// Somebody has the group launch from another version of its template.
    NewTemplate,
    /// Somebody resumes `AZRebalance`.
    ResumeAzRebalance,
    /// The budgets' controller takes so long from now on.
    BudgetLag {
        /// So long.
        #[serde(with = "span")]
        lag: Duration,
    },
}

/// A node of the group, picked when the moment comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The first by name.
    First,
    /// The last by name.
    Last,
    /// The first that is cordoned; nothing happens where none is.
    Cordoned,
    /// The first that is Ready and not cordoned.
    Serving,
    /// The youngest.
    Newest,
}

/// How answers go astray, in so many of a hundred requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Replies {
    /// It is done, though no answer comes.
    pub lost: u32,
    /// It never arrives, and no answer comes.
    pub lost_requests: u32,
    /// The server asks for fewer requests.
    pub throttled: u32,
    /// The server fails.
    pub failed: u32,
}
