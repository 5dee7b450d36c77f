//! `mngup upgrade`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    args::{Form, UpgradeArgs},
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    run::go,
    target::Target,
    values::{Sandbox, World},
};
use crate::{
    adapters::SystemClock,
    app::{self, Ports},
    domain::{ClusterName, GroupName, Operator, RunId, Settings},
    ports::Clock,
    report::{Commands, Screen},
    sim::{Sim, World as SimWorld, WorldSpec},
};

/// An upgrade that makes sense on the command line; nothing has been read or touched yet.
#[derive(Clone, Debug, PartialEq)]
pub struct UpgradeRequest {
    /// Which group.
    pub place: Where,
    /// What was said of how it goes.
    pub settings: Settings,
    /// How long the Lease outlives the run.
    pub lease: Duration,
    /// Show the plan and stop.
    pub dry_run: bool,
    /// Whether to ask first.
    pub consent: Consent,
    /// Form of the answer.
    pub output: Form,
    /// Where the journal goes, if the user said so.
    pub journal: Option<PathBuf>,
    /// The commands that go on, look, or undo.
    pub commands: Commands,
}

/// A real cluster or a simulated one.
#[derive(Clone, Debug, PartialEq)]
pub enum Where {
    /// A real one.
    Cluster(Target),
    /// A simulated one.
    Sandbox {
        /// Which world.
        world: World,
        /// How many times faster than the clock.
        speed: f64,
    },
}

impl Where {
    /// The world of the sandbox by name, where it is one.
    #[must_use]
    pub fn world(&self) -> Option<String> {
        match self {
            Self::Cluster(_) => None,
            Self::Sandbox { world: World::Embedded, .. } => Some("shop".to_owned()),
            Self::Sandbox { world: World::File(path), .. } => {
                Some(path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
            }
        }
    }
}

impl UpgradeArgs {
    /// Checks the flags against each other and makes a request of them.
    ///
    /// # Errors
    /// When they cannot all be meant, or when a yes is needed that nobody can give.
    pub fn request(self, can_ask: bool) -> Result<UpgradeRequest, CliError> {
        let settings = self.policy.settings()?;
        let (place, commands) = match self.sandbox {
            Sandbox::Off => {
                let dry_run = self.dry_run.then(|| "--dry-run".to_owned());
                let beside = settings.words().into_iter().chain(dry_run).collect();
                let target = self.target.target("upgrade", beside)?;
                let commands = target.commands().with(settings.words());
                (Where::Cluster(target), commands)
            }
            Sandbox::On(world) => {
                if let Some(flag) = self.target.points_at_something() {
                    return Err(CliError::usage(format!("{flag} with --sandbox, which brings a cluster of its own"))
                        .next("leave one of them out"));
                }
                let commands = Commands::sandbox(match &world {
                    World::Embedded => None,
                    World::File(path) => Some(path),
                });
                let speed = (self.sandbox_speed != SANDBOX_SPEED)
                    .then(|| ["--sandbox-speed".to_owned(), self.sandbox_speed.to_string()]);
                let commands = commands.with(speed.into_iter().flatten().chain(settings.words()).collect());
                (Where::Sandbox { world, speed: self.sandbox_speed }, commands)
            }
        };
        let harmless = self.dry_run || matches!(place, Where::Sandbox { .. });
        let consent = Consent::needed(self.yes, harmless, can_ask, &commands.begin(""))?;
        Ok(UpgradeRequest {
            place,
            settings,
            lease: self.lease.lease_duration,
            dry_run: self.dry_run,
            consent,
            output: self.output,
            journal: self.journal,
            commands,
        })
    }
}

/// Upgrades the group. The one place where `upgrade` meets ports and the app.
///
/// # Errors
/// Whatever kept the run from starting; how it ended otherwise is in the exit code.
pub(super) async fn upgrade(request: UpgradeRequest, screen: Screen) -> Result<ExitCode, CliError> {
    let operator = connect::operator();
    match request.place.clone() {
        Where::Cluster(target) => {
            let run = connect::run_id(SystemClock.now());
            let purpose = if request.dry_run {
                Purpose::Look
            } else {
                Purpose::Run { settings: Box::new(request.settings.clone()), lease: request.lease }
            };
            let ports = connect::connect(&target, purpose, &operator, &run).await?;
            Box::pin(go(&ports, &request, app_request(&request, &target, operator, run), &screen)).await
        }
        Where::Sandbox { world, speed } => {
            let spec = world_of(&world)
                .map_err(|error| error.next("mngup upgrade --sandbox   # the world that mngup brings"))?;
            let (cluster, group) = (spec.cluster.clone(), group_of(&spec));
            let world = SimWorld::starting_at(spec, SANDBOX_SEED, SystemClock.now());
            let sim = Sim::new(world, speed);
            let run = connect::run_id(sim.clock().now());
            let ports = Ports {
                cluster: Arc::new(sim.cluster()),
                cloud: Arc::new(sim.cloud()),
                clock: Arc::new(sim.clock()),
                lock: Arc::new(sim.lock(operator.clone())),
            };
            let asked = app::Request {
                cluster: ClusterName::new(cluster),
                group,
                settings: request.settings.clone(),
                operator,
                run,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            Box::pin(go(&ports, &request, asked, &screen)).await
        }
    }
}

/// How many times faster than the clock a sandbox runs where nobody says otherwise: its dozen nodes take half a minute.
pub(super) const SANDBOX_SPEED: f64 = 40.0;

/// Every sandbox is the same, so that people can talk about it.
pub(super) const SANDBOX_SEED: u64 = 1;

fn app_request(request: &UpgradeRequest, target: &Target, operator: Operator, run: RunId) -> app::Request {
    app::Request {
        cluster: target.cluster.clone(),
        group: target.group.clone(),
        settings: request.settings.clone(),
        operator,
        run,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What the world is made from.
///
/// # Errors
/// When it cannot be read, or makes no sense.
pub(super) fn world_of(world: &World) -> Result<WorldSpec, CliError> {
    let spec = match world {
        World::Embedded => WorldSpec::shop(),
        World::File(path) => WorldSpec::from_file(path),
    };
    spec.map_err(|error| CliError::usage(error.to_string()))
}

pub(super) fn group_of(spec: &WorldSpec) -> GroupName {
    match (&spec.group.nodegroup, &spec.group.asg) {
        (Some(nodegroup), _) => GroupName::Nodegroup(nodegroup.name.as_str().into()),
        (None, asg) => GroupName::Asg(asg.as_deref().unwrap_or("workers").into()),
    }
}
