//! The nouns: what mngup knows of a node group, its nodes, their pods and budgets.
//!
//! Plain data with plain functions. No IO, no clock, no Kubernetes or AWS types: those stop at the adapters.

mod budget;
mod cause;
mod dossier;
mod facts;
mod finding;
mod group;
mod ids;
mod int_or_percent;
mod intent;
mod known;
mod marks;
mod member;
mod node;
mod notice;
mod object;
mod plain;
mod pod;
mod policy;
mod quantity;
mod refusal;
mod selector;
mod settings;
mod shell;
mod snapshot;
mod time;
mod trouble;

pub use budget::{Pdb, PdbRule, PdbStatus, UnhealthyPolicy};
pub use cause::{Cause, Family, Stand};
pub use dossier::{Answer, Ask, Dossier, Fact, Oracle, Query};
pub use facts::{
    AccessEntries, AccessMode, Attachment, Claim, ClusterNode, EksUpdate, KubeEvent, LifecycleHook, Namespace,
    NodeManagerRole, Quota, Strategy, Subnet, UpdateError, Webhook, Workload,
};
pub use finding::{
    Branch, By, CannotTell, Command, Diagnosis, Finding, Grade, Held, Lacking, Proof, Remedy, RemedyKind, Subject, Sure,
};
pub use group::{
    Counts, Group, HealthIssue, Instance, LaunchTarget, LaunchTemplate, Lifecycle, Nodegroup, NodegroupStatus, Process,
    ScalingActivity, Size, UpdateStrategy,
};
pub use ids::{
    AsgName, ClusterName, DaemonSetRef, GroupName, InstanceId, NodeName, NodegroupName, PdbRef, PodRef, RunId, Uid,
    Zone,
};
pub use int_or_percent::{IntOrPercent, Rounding};
pub use intent::{INTENT_SCHEMA, Intent, IntentState, Operator};
pub use known::{Known, Lack};
pub use marks::{
    CLUSTER_AUTOSCALER_SHIELD, EXCLUDE_FROM_LOAD_BALANCERS, Marks, NodeMark, NodePatch, PENDING_TAINT, TaintKey, key,
};
pub use member::{Evidence, Member, OldNode};
pub use node::{DaemonSet, Effect as TaintEffect, Node, NodeKind, Readiness, Taint};
pub use notice::{About, News, Notice};
pub use object::Object;
pub use plain::plain;
pub use pod::{Deletion, Owner, Pod, PodPhase, Toleration, TolerationOperator, no_scale_down};
pub use policy::{Contradiction, Limits, LimitsError, Order, Policy, Source, Undrainable};
pub use quantity::Quantity;
pub use refusal::{Forbidden, Refusal, forbidden};
pub use selector::{Operator as SelectorOperator, Requirement, Selector};
pub use settings::Settings;
pub use shell::quoted;
pub use snapshot::{Change, Gap, Snapshot};
pub use time::{elapsed, later, short};
pub use trouble::{Container, ContainerState, Exit, Trouble, Unscheduled};
