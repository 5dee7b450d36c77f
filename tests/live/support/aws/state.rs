//! What the server knows: the group, EKS's own record of it, the calls it got.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use mngup::{
    domain::InstanceId,
    sim::asg::{AsgEvent, AutoScalingGroup},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{account::Account, bridge::KilledPod, faults::Faults, world::World};

/// One call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it came.
    pub at: Timestamp,
    /// IAM's name of it: `autoscaling:SuspendProcesses`.
    pub action: String,
    /// Its parameters, as they were named on the wire.
    pub params: BTreeMap<String, String>,
    /// The id of the key that signed it.
    pub access_key: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// What was answered, also where the answer was lost.
    pub status: u16,
    /// Whether the connection was closed instead of answering.
    pub lost: bool,
}

/// One error of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateError {
    /// `PodEvictionFailure`, …
    pub code: String,
    /// EKS's sentence.
    pub message: String,
    /// What it happened to.
    pub resources: Vec<String>,
}

/// An update that EKS works on, or has: a change of sizes, or of the version.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its id.
    pub id: String,
    /// `ConfigUpdate`, `VersionUpdate`.
    pub kind: &'static str,
    /// The node group that it is of.
    pub nodegroup: String,
    /// `InProgress`, `Successful`, `Failed`.
    pub status: &'static str,
    /// What went wrong.
    pub errors: Vec<UpdateError>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When EKS carries it out.
    pub due: Timestamp,
    /// Minimum, maximum and desired size.
    pub sizes: (Option<u32>, Option<u32>, Option<u32>),
}

/// Where the API server is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `https://…`
    pub url: String,
    /// Its certificate authority in PEM.
    pub ca_pem: String,
}

/// All of it.
pub struct State {
    /// How it began.
    pub world: World,
    /// The group.
    pub asg: AutoScalingGroup,
    /// What there is beside it.
    pub account: Account,
    /// Where the API server is, once there is one.
    pub endpoint: Option<Endpoint>,
    /// What goes wrong.
    pub faults: Faults,
    /// Every call.
    pub calls: Vec<Call>,
    /// Changes that EKS was asked for, the newest last.
    pub updates: Vec<Update>,
    /// How many tokens were reviewed, and how many of them opened the door.
    pub reviews: (u32, u32),
    /// Names of Nodes by instance.
    pub nodes: BTreeMap<InstanceId, String>,
    /// Pods that died with their node.
    pub killed: Vec<KilledPod>,
    /// What the bridge could not do.
    pub troubles: VecDeque<String>,
    /// What happened in the group, for the bridge to take.
    pub events: Option<UnboundedReceiver<AsgEvent>>,
    told: UnboundedSender<AsgEvent>,
}

impl State {
    pub fn new(world: World) -> Self {
        let now = Timestamp::now();
        let (told, events) = unbounded_channel();
        Self {
            asg: AutoScalingGroup::new(world.config(now), now),
            world,
            account: Account::default(),
            endpoint: None,
            faults: Faults::default(),
            calls: Vec::new(),
            updates: Vec::new(),
            reviews: (0, 0),
            nodes: BTreeMap::new(),
            killed: Vec::new(),
            troubles: VecDeque::new(),
            events: Some(events),
            told,
        }
    }

    /// Lets the world reach this moment.
    pub fn advance(&mut self, now: Timestamp) {
        for update in &mut self.updates {
            if update.status != "InProgress" || update.due > now || update.kind != "ConfigUpdate" {
                continue;
            }
            let (min, max, desired) = update.sizes;
            match self.asg.update_size(min, max, desired, now) {
                Ok(()) => update.status = "Successful",
                Err(error) => {
                    update.status = "Failed";
                    let (code, message) = ("OperationNotPermitted".to_owned(), error.to_string());
                    update.errors = vec![UpdateError { code, message, resources: Vec::new() }];
                }
            }
        }
        for event in self.asg.advance(now) {
            // Without a bridge nobody listens, and the channel merely fills.
            let _ = self.told.send(event);
        }
    }

    /// Whether EKS works on the group.
    pub fn is_updating(&self) -> bool {
        self.updates.iter().any(|update| update.status == "InProgress")
    }

    /// Asks EKS for other sizes.
    pub fn begin_update(&mut self, sizes: (Option<u32>, Option<u32>, Option<u32>), now: Timestamp) -> Update {
        let span = SignedDuration::try_from(self.world.resize).expect("a span that fits");
        let update = Update {
            id: format!("0a1b2c3d-0000-4000-8000-{:012}", self.updates.len() + 1),
            kind: "ConfigUpdate",
            nodegroup: self.world.nodegroup.clone().unwrap_or_default(),
            status: "InProgress",
            errors: Vec::new(),
            created_at: now,
            due: now + span,
            sizes,
        };
        self.updates.push(update.clone());
        update
    }
}
