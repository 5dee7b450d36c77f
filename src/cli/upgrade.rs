//! `mngup upgrade`.

use std::path::PathBuf;

use super::{
    args::{Form, UpgradeArgs},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    target::Target,
    values::World,
};
use crate::{
    domain::Policy,
    report::{Commands, Screen},
};

/// An upgrade that makes sense on the command line; nothing has been read or touched yet.
#[derive(Clone, Debug, PartialEq)]
pub struct UpgradeRequest {
    /// Which group.
    pub place: Where,
    /// How.
    pub policy: Policy,
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

impl UpgradeArgs {
    /// Checks the flags against each other and makes a request of them.
    ///
    /// # Errors
    /// When they cannot all be meant, or when a yes is needed that nobody can give.
    pub fn request(self, can_ask: bool) -> Result<UpgradeRequest, CliError> {
        let policy = self.policy.policy()?;
        let (place, commands) = match self.sandbox {
            None => {
                let target = self.target.target("upgrade")?;
                let commands = target.commands();
                (Where::Cluster(target), commands)
            }
            Some(world) => {
                if let Some(flag) = self.target.points_at_something() {
                    return Err(CliError::usage(format!("{flag} with --sandbox, which brings a cluster of its own"))
                        .next("leave one of them away; their variables count too"));
                }
                let commands = Commands::sandbox(match &world {
                    World::Embedded => None,
                    World::File(path) => Some(path),
                });
                (Where::Sandbox { world, speed: self.sandbox_speed }, commands)
            }
        };
        let harmless = self.dry_run || matches!(place, Where::Sandbox { .. });
        let consent = Consent::needed(self.yes, harmless, can_ask, &commands.upgrade(""))?;
        Ok(UpgradeRequest {
            place,
            policy,
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
#[expect(clippy::unused_async, reason = "awaits the run once the ports are wired")]
pub(super) async fn upgrade(request: UpgradeRequest, screen: Screen) -> Result<ExitCode, CliError> {
    drop(screen);
    let what = match request.place {
        Where::Cluster(target) => format!("cluster/{} {}", target.cluster, target.group),
        Where::Sandbox { .. } => "the sandbox".to_owned(),
    };
    Err(CliError::new(ExitCode::Unexpected, format!("{what} is not wired to the engine in this build")))
}
