//! `mngup upgrade`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    answer::{Stdout, answer, tell},
    args::{Form, UpgradeArgs},
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    sinks::{self, OpenJournal},
    stop,
    target::Target,
    values::{Sandbox, World},
};
use crate::{
    adapters::SystemClock,
    app::{self, DriveError, Ports},
    domain::{ClusterName, GroupName, Operator, Policy, RunId},
    engine::event::RunOutcome,
    journal::Header,
    ports::{Clock, Cloud, Cluster, Event, Lock, Record},
    report::{Closing, Commands, Reporter, Screen},
    sim::{Sim, World as SimWorld, WorldSpec},
};

/// An upgrade that makes sense on the command line; nothing has been read or touched yet.
#[derive(Clone, Debug, PartialEq)]
pub struct UpgradeRequest {
    /// Which group.
    pub place: Where,
    /// How.
    pub policy: Policy,
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

impl UpgradeArgs {
    /// Checks the flags against each other and makes a request of them.
    ///
    /// # Errors
    /// When they cannot all be meant, or when a yes is needed that nobody can give.
    pub fn request(self, can_ask: bool) -> Result<UpgradeRequest, CliError> {
        let policy = self.policy.policy()?;
        let (place, commands) = match self.sandbox {
            Sandbox::Off => {
                let target = self.target.target("upgrade")?;
                let commands = target.commands();
                (Where::Cluster(target), commands)
            }
            Sandbox::On(world) => {
                if let Some(flag) = self.target.points_at_something() {
                    return Err(CliError::usage(format!("{flag} with --sandbox, which brings a cluster of its own"))
                        .next("leave one of them away"));
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
            let policy = &request.policy;
            let purpose = if request.dry_run {
                Purpose::Look
            } else {
                Purpose::Run { deletes_pods: policy.force || policy.disable_eviction, lease: request.lease }
            };
            let ports = connect::connect(&target, purpose, &operator, &run).await?;
            Box::pin(go(&ports, &request, app_request(&request, &target, operator, run), &screen)).await
        }
        Where::Sandbox { world, speed } => {
            let spec = match &world {
                World::Embedded => WorldSpec::shop(),
                World::File(path) => WorldSpec::from_file(path),
            };
            let spec = spec.map_err(|error| {
                CliError::usage(error.to_string()).next("mngup upgrade --sandbox   (the world that mngup brings)")
            })?;
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
                policy: request.policy.clone(),
                operator,
                run,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            Box::pin(go(&ports, &request, asked, &screen)).await
        }
    }
}

/// Every sandbox is the same, so that people can talk about it.
const SANDBOX_SEED: u64 = 1;

async fn go<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    request: &UpgradeRequest,
    asked: app::Request,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let shown = request.dry_run || request.consent == Consent::Ask;
    let prepared = app::prepare(ports, &asked, shown).await.map_err(|refused| refusal(refused, &asked))?;
    let brief = app::brief(&prepared, &asked, ports.clock.now());
    if request.dry_run {
        let text = brief.long(screen.width().unwrap_or(usize::MAX));
        answer(&(text.join("\n") + "\n"))?;
        return Ok(ExitCode::Done);
    }
    if prepared.old.is_empty() && prepared.resumes.is_none() {
        answer(&format!("{} has no old nodes: nothing to do\n", asked.group))?;
        return Ok(ExitCode::Done);
    }
    // A run that goes on keeps its name, and so its journal.
    let run = prepared.resumes.as_ref().map_or(&asked.run, |intent| &intent.run).clone();
    let header = Header::new(asked.cluster.clone(), asked.group.clone(), run);
    sinks::check_journal(request.journal.as_deref(), &header)?;
    let plan = brief.lines(screen.width().unwrap_or(usize::MAX));
    if !request.consent.go_ahead(&plan)? {
        tell("nothing was touched");
        return Ok(ExitCode::Done);
    }
    let commands = &request.commands;
    let mut stop = stop::listen();
    let begun = app::begin(ports, &asked, prepared, &mut stop).await;
    let begun = begun.map_err(|error| not_begun(error, ports.clock.now(), commands))?;
    let header = Header { run: begun.run().clone(), ..header };
    let OpenJournal { mut journal, path, warning } = match sinks::open_journal(request.journal.as_deref(), &header) {
        Ok(open) => open,
        Err(error) => {
            begun.give_up().await;
            return Err(error);
        }
    };
    let again = Commands::report(path.as_deref());
    let (closing, stdout) = (Closing { commands: commands.clone(), journal: path }, Stdout::default());
    let mut reporter = sinks::reporters(request.output, screen, closing, &stdout);
    if let Some(message) = warning {
        reporter.record(&Record { at: ports.clock.now(), event: Event::Warning { message } });
    }
    let outcome = begun.drive(&mut reporter, &mut *journal, &mut stop).await;
    reporter.finish();
    stdout.settle(ended(outcome, ports.clock.now(), commands)?, &again)
}

/// Why a run did not begin: nothing was touched.
pub(super) fn not_begun(error: DriveError, now: jiff::Timestamp, commands: &Commands) -> CliError {
    match error {
        DriveError::Lock(error) => CliError::lock(error, now, &commands.status()),
        DriveError::Port(error) => error.into(),
        DriveError::Left | DriveError::Adrift { .. } => {
            CliError::new(ExitCode::Interrupted, "stopped before it began; nothing was touched")
                .next(commands.upgrade(""))
        }
    }
}

/// The exit code of a run that ended, or why it broke off.
pub(super) fn ended(
    outcome: Result<RunOutcome, DriveError>,
    now: jiff::Timestamp,
    commands: &Commands,
) -> Result<ExitCode, CliError> {
    match outcome {
        Ok(outcome) => Ok(ExitCode::from(&outcome)),
        Err(DriveError::Lock(error)) => Err(CliError::lock(error, now, &commands.status())),
        Err(DriveError::Port(error)) => {
            Err(CliError::from(error).midway().next(commands.upgrade("   (goes on where it stopped)")))
        }
        Err(error @ (DriveError::Left | DriveError::Adrift { .. })) => {
            Err(CliError::new(ExitCode::Interrupted, error.to_string())
                .next(commands.upgrade("   (goes on)"))
                .next(format!("{}   (undoes what was done)", commands.abort())))
        }
    }
}

fn refusal(refused: app::Refused, asked: &app::Request) -> CliError {
    match refused {
        app::Refused::Objections { objections, asg } => {
            let reasons: Vec<_> = objections.iter().map(ToString::to_string).collect();
            let error = CliError::refused(format!("{}: {}", asked.group, reasons.join("; ")));
            objections.iter().fold(error, |error, objection| error.next(objection.remedy(&asg)))
        }
        app::Refused::Limits(error) => CliError::usage(error.to_string()),
        app::Refused::Port(error) => error.into(),
    }
}

fn app_request(request: &UpgradeRequest, target: &Target, operator: Operator, run: RunId) -> app::Request {
    app::Request {
        cluster: target.cluster.clone(),
        group: target.group.clone(),
        policy: request.policy.clone(),
        operator,
        run,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn group_of(spec: &WorldSpec) -> GroupName {
    match (&spec.group.nodegroup, &spec.group.asg) {
        (Some(nodegroup), _) => GroupName::Nodegroup(nodegroup.name.as_str().into()),
        (None, asg) => GroupName::Asg(asg.as_deref().unwrap_or("workers").into()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const NOWHERE: Screen = Screen {
        stdout_terminal: false,
        stderr_terminal: false,
        bars: false,
        color_stdout: false,
        color_stderr: false,
        zone: TimeZone::UTC,
    };

    #[tokio::test]
    async fn a_run_that_is_refused_for_the_lock_leaves_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("below/run.jsonl");
        let sim = Sim::new(SimWorld::new(WorldSpec::with_old_nodes(&[("a", 2)]), SANDBOX_SEED), 1.0);
        let operator = Operator { user: "ann".to_owned(), host: "laptop".to_owned() };
        sim.lock(operator.clone()).acquire().await.unwrap();
        let ports = Ports {
            cluster: Arc::new(sim.cluster()),
            cloud: Arc::new(sim.cloud()),
            clock: Arc::new(sim.clock()),
            lock: Arc::new(sim.lock(operator.clone())),
        };
        let request = UpgradeRequest {
            place: Where::Sandbox { world: World::Embedded, speed: 1.0 },
            policy: Policy::default(),
            lease: Duration::from_secs(30),
            dry_run: false,
            consent: Consent::Given,
            output: Form::Human,
            journal: Some(journal.clone()),
            commands: Commands::sandbox(None),
        };
        let asked = app::Request {
            cluster: "sandbox".into(),
            group: GroupName::Nodegroup("workers".into()),
            policy: Policy::default(),
            operator,
            run: RunId::new("r1"),
            version: "0.1.0".to_owned(),
        };
        let error = go(&ports, &request, asked, &NOWHERE).await.unwrap_err();
        assert_eq!(error.code(), ExitCode::Locked);
        assert!(!journal.parent().unwrap().exists());
    }
}
