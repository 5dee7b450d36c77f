//! An instance of the group, and what is told of it.

use jiff::Timestamp;

use crate::domain::{InstanceId, LaunchTemplate, Lifecycle, Zone};

/// An instance.
#[derive(Clone, Debug)]
pub struct AsgInstance {
    /// `i-…`
    pub id: InstanceId,
    /// Its zone.
    pub zone: Zone,
    /// Its subnet.
    pub subnet: String,
    /// Its type.
    pub instance_type: String,
    /// What it was launched from.
    pub template: Option<LaunchTemplate>,
    /// Where in its life it is.
    pub state: InstanceState,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// Since when its machine runs.
    pub running_since: Option<Timestamp>,
    /// Protected from scale-in.
    pub protected: bool,
    /// Auto Scaling's opinion of its health.
    pub healthy: bool,
    /// How often its termination was asked for beyond the first time.
    pub repeated_terminations: u32,
    /// The activity that is under way for it.
    pub(super) activity: Option<String>,
    /// When its state moves on.
    pub(super) timer: Option<Timestamp>,
    /// What the machine does when nobody asked the group: it is gone already.
    pub(super) machine_lost: bool,
}

/// `LifecycleState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// `Pending`
    Pending,
    /// `Pending:Wait`
    PendingWait,
    /// `InService`
    InService,
    /// `Terminating`
    Terminating,
    /// `Terminating:Wait`
    TerminatingWait,
    /// `Terminating:Proceed`
    TerminatingProceed,
    /// `Standby`
    Standby,
    /// `Warmed:Stopped`
    WarmedStopped,
}

impl InstanceState {
    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::InService => "InService",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
            Self::Standby => "Standby",
            Self::WarmedStopped => "Warmed:Stopped",
        }
    }

    /// Whether it counts towards the desired size.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::PendingWait | Self::InService)
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn is_leaving(self) -> bool {
        matches!(self, Self::Terminating | Self::TerminatingWait | Self::TerminatingProceed)
    }

    /// The state in the words of the domain.
    #[must_use]
    pub fn lifecycle(self) -> Lifecycle {
        Lifecycle::parse(self.as_str())
    }
}

/// Something that happened in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsgEvent {
    /// When.
    pub at: Timestamp,
    /// To which instance.
    pub instance: InstanceId,
    /// What.
    pub kind: AsgEventKind,
}

/// What happened to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsgEventKind {
    /// `RunInstances` was accepted.
    Launched {
        /// In this zone.
        zone: Zone,
        /// Of this type.
        instance_type: String,
        /// From this template.
        template: Option<LaunchTemplate>,
    },
    /// The machine runs: its kubelet can join.
    Running,
    /// It counts as in service.
    InService,
    /// It is on its way out; its machine still runs while a hook holds it.
    Terminating,
    /// The machine shuts down: whatever ran there dies now.
    ShuttingDown,
    /// It is gone.
    Gone,
}
