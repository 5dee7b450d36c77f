//! Scaling activities, in Auto Scaling's wording.

use jiff::Timestamp;

use crate::domain::{InstanceId, ScalingActivity, Zone};

/// One scaling activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its id.
    pub id: String,
    /// The instance; none for a launch that never got one.
    pub instance: Option<InstanceId>,
    /// What is done: "Launching a new EC2 instance: i-…".
    pub description: String,
    /// Why it is done.
    pub cause: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it stands.
    pub status: ActivityStatus,
    /// Why it failed.
    pub message: Option<String>,
    /// 0 to 100.
    pub progress: u8,
    /// Subnet and zone, where it has one.
    pub place: Option<(String, Zone)>,
}

/// `StatusCode` of a scaling activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityStatus {
    /// The instance is on its way to service.
    PreInService,
    /// Under way.
    InProgress,
    /// A lifecycle hook holds it.
    MidLifecycleAction,
    /// It ended well.
    Successful,
    /// It ended badly.
    Failed,
    /// It was given up.
    Cancelled,
}

impl ActivityStatus {
    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreInService => "PreInService",
            Self::InProgress => "InProgress",
            Self::MidLifecycleAction => "MidLifecycleAction",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl Activity {
    /// The activity in the words of the domain.
    #[must_use]
    pub fn to_domain(&self) -> ScalingActivity {
        ScalingActivity {
            id: self.id.clone(),
            started_at: self.started_at,
            status: self.status.as_str().to_owned(),
            description: self.description.clone(),
            message: self.message.clone(),
            cause: self.cause.clone(),
            subnet: self.place.as_ref().map(|(subnet, _)| subnet.clone()),
            zone: self.place.as_ref().map(|(_, zone)| zone.clone()),
        }
    }
}

/// Why an activity is done; becomes its cause.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// Desired and actual size differ.
    Difference { from: u32, to: u32 },
    /// Zones are uneven.
    Rebalance { into: String },
    /// Somebody asked.
    UserRequest { decrement: Option<(u32, u32)> },
    /// The machine is gone or ill.
    HealthCheck,
    /// A hook was abandoned.
    Abandoned,
}

impl Why {
    pub(super) fn cause_of_launch(&self, at: Timestamp) -> String {
        match self {
            Self::Difference { from, to } => format!(
                "At {at} an instance was started in response to a difference between desired and actual capacity, \
                 increasing the capacity from {from} to {to}."
            ),
            Self::Rebalance { into } => format!(
                "At {at} instances were launched to balance instances in zones {into} with other zones resulting in \
                 more than desired number of instances in the group."
            ),
            Self::UserRequest { .. } | Self::HealthCheck | Self::Abandoned => {
                format!("At {at} an instance was started in response to a user request.")
            }
        }
    }

    pub(super) fn cause_of_termination(&self, at: Timestamp, id: &InstanceId) -> String {
        match self {
            Self::Difference { from, to } => format!(
                "At {at} an instance was taken out of service in response to a difference between desired and actual \
                 capacity, shrinking the capacity from {from} to {to}. At {at} instance {id} was selected for \
                 termination."
            ),
            Self::Rebalance { into } => format!(
                "At {at} instance {id} was taken out of service to balance instances in zones {into} with other zones."
            ),
            Self::UserRequest { decrement: None } => {
                format!("At {at} instance {id} was taken out of service in response to a user request.")
            }
            Self::UserRequest { decrement: Some((from, to)) } => format!(
                "At {at} instance {id} was taken out of service in response to a user request, shrinking the capacity \
                 from {from} to {to}."
            ),
            Self::HealthCheck => format!(
                "At {at} an instance was taken out of service in response to an EC2 health check indicating it has \
                 been terminated or stopped."
            ),
            Self::Abandoned => format!(
                "At {at} an instance was taken out of service in response to a launch lifecycle action that was \
                 abandoned."
            ),
        }
    }
}
