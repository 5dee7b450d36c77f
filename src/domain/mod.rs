//! The nouns: what mngup knows of a node group, its nodes, their pods and budgets.
//!
//! Plain data with plain functions. No IO, no clock, no Kubernetes or AWS types: those stop at the adapters.

mod budget;
mod group;
mod ids;
mod int_or_percent;
mod intent;
mod marks;
mod member;
mod node;
mod pod;
mod policy;
mod refusal;
mod selector;
mod settings;
mod snapshot;
mod time;

pub use budget::{Pdb, PdbRule, PdbStatus, UnhealthyPolicy};
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
pub use marks::{
    CLUSTER_AUTOSCALER_SHIELD, EXCLUDE_FROM_LOAD_BALANCERS, Marks, NodeMark, NodePatch, PENDING_TAINT, TaintKey, key,
};
pub use member::{Evidence, Member, OldNode};
pub use node::{DaemonSet, Effect as TaintEffect, Node, NodeKind, Readiness, Taint};
pub use pod::{Deletion, Owner, Pod, PodPhase, Toleration, TolerationOperator};
pub use policy::{Contradiction, Limits, LimitsError, Order, Policy, Source, Undrainable};
pub use refusal::Refusal;
pub use selector::{Operator as SelectorOperator, Requirement, Selector};
pub use settings::Settings;
pub use snapshot::{Change, Gap, Snapshot};
pub use time::{elapsed, later, short};
