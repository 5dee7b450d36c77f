//! What Auto Scaling says when it refuses.

use thiserror::Error;

use super::{HookKind, InstanceState};
use crate::domain::{AsgName, InstanceId};

/// A refused request, in Auto Scaling's own words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AsgError {
    /// The instance is not of this group.
    #[error("Instance Id not found - No managed instance found for instance ID: {0}")]
    UnknownInstance(InstanceId),
    /// A decrement below the minimum.
    #[error(
        "Currently, desiredSize equals minSize ({0}). Terminating instance without replacement will violate group's \
         min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
    )]
    WouldViolateMinSize(u32),
    /// The instance waits in a warm pool, or stands apart in another way.
    #[error("The instance {0} is in {state} and cannot be used for this operation.", state = .1.as_str())]
    WrongState(InstanceId, InstanceState),
    /// `SetDesiredCapacity` above the maximum.
    #[error("New SetDesiredCapacity value {0} is above max value {1} for the AutoScalingGroup.")]
    AboveMax(u32, u32),
    /// `SetDesiredCapacity` below the minimum.
    #[error("New SetDesiredCapacity value {0} is below min value {1} for the AutoScalingGroup.")]
    BelowMin(u32, u32),
    /// Sizes that contradict each other.
    #[error("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}")]
    DesiredOutOfBounds {
        /// As asked.
        desired: u32,
        /// As it would be.
        min: u32,
        /// As it would be.
        max: u32,
    },
    /// A minimum above the maximum.
    #[error("Max bound, {max}, must be greater than or equal to min bound, {min}")]
    MaxBelowMin {
        /// As it would be.
        min: u32,
        /// As it would be.
        max: u32,
    },
    /// No hook holds this instance.
    #[error("No active Lifecycle Action found with instance ID {0}")]
    NoLifecycleAction(InstanceId, Option<HookKind>),
    /// No instance refresh is under way.
    #[error("No in progress or pending Instance Refresh found for Auto Scaling group {0}")]
    NoInstanceRefresh(AsgName),
    /// Only somebody else may change the group.
    #[error("This operation is only permitted for the operator {0} that manages this Auto Scaling group.")]
    Operator(String),
    /// A process that does not exist.
    #[error("The process name {0} is not valid.")]
    UnknownProcess(String),
}

impl AsgError {
    /// The error code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Operator(_) => "AccessDenied",
            Self::NoInstanceRefresh(_) => "ActiveInstanceRefreshNotFound",
            Self::UnknownInstance(_)
            | Self::WouldViolateMinSize(_)
            | Self::WrongState(..)
            | Self::AboveMax(..)
            | Self::BelowMin(..)
            | Self::DesiredOutOfBounds { .. }
            | Self::MaxBelowMin { .. }
            | Self::NoLifecycleAction(..)
            | Self::UnknownProcess(_) => "ValidationError",
        }
    }

    /// The HTTP status on the wire.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self.code() {
            "AccessDenied" => 403,
            _ => 400,
        }
    }
}
