//! An Auto Scaling group in virtual time: sizes, zones, hooks, launches that fail, AZRebalance.
//!
//! Nothing moves by itself: the caller says what time it is with [`AutoScalingGroup::advance`], and
//! [`AutoScalingGroup::next_event`] says when it is worth asking again.

mod activity;
mod config;
mod describe;
mod error;
mod evaluate;
mod group;
mod instance;
mod launch;
mod requests;
#[cfg(test)]
mod tests;

pub use activity::{Activity, ActivityStatus};
pub use config::{
    AsgConfig, Delays, Existing, FailureReason, Hook, HookKind, HookResult, LaunchFailure, Override, Subnet, Template,
    TemplateUse, VersionUse,
};
pub use error::AsgError;
pub use group::AutoScalingGroup;
pub use instance::{AsgEvent, AsgEventKind, AsgInstance, InstanceState};
