//! Why it waits, as a value: made where the decision is made, read by screens, journal and diagnosis.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{InstanceId, NodeName, Owner, PdbRef, PdbRule, PodRef, Refusal, Zone};

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "on")]
pub enum WaitingOn {
    /// Pods that were asked to leave and stop in their own time.
    PodsStopping {
        /// Which.
        pods: Vec<PodRef>,
        /// When the last of them is due.
        due: Option<Timestamp>,
    },
    /// Pods past their deletion that are still there: a finalizer, a dead kubelet, a runtime that hangs.
    PodsOverdue {
        /// Which.
        pods: Vec<PodRef>,
        /// Finalizers that hold them, where nothing of them runs any more.
        finalizers: Vec<String>,
    },
    /// A budget that allows none now.
    Budget(Box<BudgetView>),
    /// More than one budget counts the pod; the eviction API refuses such pods for ever.
    TwoBudgets {
        /// Whom.
        pod: PodRef,
        /// Which.
        pdbs: Vec<PdbRef>,
    },
    /// A pod without a controller, and no consent to lose it (`--delete-unmanaged`).
    Unmanaged {
        /// Whom.
        pod: PodRef,
    },
    /// The server refuses this pod's eviction for another reason.
    Refused {
        /// Whom.
        pod: PodRef,
        /// What it said.
        message: String,
        /// The same, sorted; none in journals of before it was kept.
        #[serde(default)]
        refusal: Option<Box<Refusal>>,
    },
    /// Pods come back onto the cordoned node as fast as they leave.
    LandsBack {
        /// The newest of them.
        pod: PodRef,
        /// How many came back so far.
        times: u32,
        /// What lets them.
        toleration: String,
        /// What a person changes to keep them off; none where nothing controls them.
        #[serde(default)]
        owner: Option<Owner>,
    },
    /// The first list of the node's pods.
    PodList {
        /// Whose.
        node: NodeName,
    },
    /// Load balancers let go of the node.
    LoadBalancers {
        /// Until then.
        until: Timestamp,
    },
    /// Volumes that are still attached.
    Volumes {
        /// Which.
        volumes: Vec<String>,
        /// Until then at most.
        until: Timestamp,
    },
    /// The instance is on its way out.
    InstanceLeaving {
        /// Auto Scaling's word for it.
        lifecycle: String,
        /// Which; journals of old do not say.
        #[serde(default)]
        instance: Option<InstanceId>,
        /// Its Node, where it has one.
        #[serde(default)]
        node: Option<NodeName>,
    },
    /// The group launches an instance.
    Launch {
        /// What the newest failed attempt said.
        failure: Option<String>,
    },
    /// A launched instance registers as a Node.
    Join {
        /// Which.
        instance: String,
        /// Auto Scaling's word for it.
        lifecycle: String,
    },
    /// A new Node becomes Ready.
    NodeReady {
        /// Which.
        node: NodeName,
        /// The kubelet's reason.
        reason: String,
    },
    /// A new Node's `DaemonSet` pods become Ready.
    DaemonSets {
        /// On which.
        node: NodeName,
        /// Which are missing or not Ready.
        missing: Vec<String>,
    },
    /// A new Node offers the same extended resources as the old.
    ExtendedResources {
        /// On which.
        node: NodeName,
        /// Which are missing.
        missing: Vec<String>,
    },
    /// A taint that keeps pods off a new Node.
    NodeTaint {
        /// On which.
        node: NodeName,
        /// Which.
        taint: String,
    },
    /// The new instance was launched from another template than the group's.
    WrongTemplate {
        /// Which.
        instance: String,
        /// What it was launched from.
        has: String,
    },
    /// As many nodes are out as may be.
    NodesOut {
        /// Available now.
        available: u32,
        /// Must be available.
        required: u32,
    },
    /// The last Ready node of a zone that holds zonal volumes, until a new one is Ready there.
    ZoneVolumes {
        /// Which.
        zone: Zone,
    },
    /// Somebody else is at work on the group; no node is chosen meanwhile.
    GroupBusy {
        /// With what.
        why: String,
    },
    /// `--node-interval` since the last choice.
    NodeInterval {
        /// Until then.
        until: Timestamp,
    },
    /// Answers to requests that are under way.
    Answers {
        /// How many.
        count: u32,
    },
    /// The group has not been read since.
    Reading,
}

/// What a wait is about, for whoever looks for the same among other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// Budgets that together let nobody go, and who waits for them.
    Budgets {
        /// Which.
        pdbs: &'a [PdbRef],
        /// Whom they count.
        pods: &'a [PodRef],
    },
    /// A pod that nothing controls.
    BarePod(&'a PodRef),
    /// A pod that the server does not let go.
    Eviction {
        /// Whom.
        pod: &'a PodRef,
        /// What it says.
        refusal: Option<&'a Refusal>,
    },
    /// Pods that are to end.
    Stopping(&'a [PodRef]),
    /// A pod that came back, and what made it.
    Comeback {
        /// Whom.
        pod: &'a PodRef,
        /// None where nothing did.
        owner: Option<&'a Owner>,
    },
    /// That the group launches an instance.
    Launch,
    /// What others do with the group.
    Group,
    /// An instance that comes, by its id.
    Instance(&'a str),
    /// An instance that goes.
    Departure {
        /// Which; journals of old do not say.
        instance: Option<&'a InstanceId>,
        /// Its Node, where it has one.
        node: Option<&'a NodeName>,
    },
    /// A Node that came and does not serve.
    NewNode(&'a NodeName),
    /// What passes by itself, or is told by nothing else.
    Nothing,
}

impl WaitingOn {
    /// What it is about.
    #[must_use]
    pub fn about(&self) -> About<'_> {
        match self {
            Self::Budget(view) => About::Budgets { pdbs: std::slice::from_ref(&view.pdb), pods: &view.pods },
            Self::TwoBudgets { pod, pdbs } => About::Budgets { pdbs, pods: std::slice::from_ref(pod) },
            Self::Unmanaged { pod } => About::BarePod(pod),
            Self::Refused { pod, refusal, .. } => About::Eviction { pod, refusal: refusal.as_deref() },
            Self::PodsStopping { pods, .. } | Self::PodsOverdue { pods, .. } => About::Stopping(pods),
            Self::LandsBack { pod, owner, .. } => About::Comeback { pod, owner: owner.as_ref() },
            Self::Launch { .. } => About::Launch,
            Self::GroupBusy { .. } => About::Group,
            Self::Join { instance, .. } | Self::WrongTemplate { instance, .. } => About::Instance(instance),
            Self::InstanceLeaving { instance, node, .. } => {
                About::Departure { instance: instance.as_ref(), node: node.as_ref() }
            }
            Self::NodeReady { node, .. }
            | Self::DaemonSets { node, .. }
            | Self::ExtendedResources { node, .. }
            | Self::NodeTaint { node, .. } => About::NewNode(node),
            Self::PodList { .. }
            | Self::LoadBalancers { .. }
            | Self::Volumes { .. }
            | Self::NodesOut { .. }
            | Self::ZoneVolumes { .. }
            | Self::NodeInterval { .. }
            | Self::Answers { .. }
            | Self::Reading => About::Nothing,
        }
    }
}

/// A budget that blocks, with its arithmetic and who uses it up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BudgetView {
    /// Which.
    pub pdb: PdbRef,
    /// What it promises, as written: `minAvailable 100%`.
    pub rule: String,
    /// Pods it counts.
    pub expected: i32,
    /// Must be Ready.
    pub desired: i32,
    /// Are Ready.
    pub current: i32,
    /// May be evicted now.
    pub allowed: i32,
    /// Whether no eviction can ever be allowed.
    pub never: bool,
    /// Its status is behind its spec.
    pub stale: bool,
    /// Pods on this node that wait for it.
    pub pods: Vec<PodRef>,
    /// Pods it counts that are not Ready, where they are and why: `cart-7d9f on ip-10-0-2-9 not Ready (…)`.
    pub unready: Vec<String>,
}

/// A budget's promise as it is written in YAML.
#[must_use]
pub fn rule_text(rule: PdbRule) -> String {
    match rule {
        PdbRule::MinAvailable(value) => format!("minAvailable {value}"),
        PdbRule::MaxUnavailable(value) => format!("maxUnavailable {value}"),
    }
}
