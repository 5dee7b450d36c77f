//! `mngup upgrade`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    args::{Form, UpgradeArgs},
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    refusal::refusal,
    sinks::{self, OpenJournal},
    stop,
    target::Target,
    values::World,
};
use crate::{
    adapters::SystemClock,
    app::{self, DriveError, Ports, Prepared},
    domain::{ClusterName, GroupName, Operator, RunId, Settings},
    engine::event::RunOutcome,
    journal::Header,
    ports::{Clock, Cloud, Cluster, Event, Lock, Record},
    report::{Brief, Closing, Commands, JsonDocument, JsonLines, Reporter, Screen},
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

impl UpgradeArgs {
    /// Checks the flags against each other and makes a request of them.
    ///
    /// # Errors
    /// When they cannot all be meant, or when a yes is needed that nobody can give.
    pub fn request(self, can_ask: bool) -> Result<UpgradeRequest, CliError> {
        let settings = self.policy.settings()?;
        let (place, commands) = match self.sandbox {
            None => {
                let dry_run = self.dry_run.then(|| "--dry-run".to_owned());
                let target =
                    self.target.target("upgrade")?.beside(settings.words().into_iter().chain(dry_run).collect());
                let commands = target.commands().with(settings.words());
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
const SANDBOX_SEED: u64 = 1;

async fn go<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    request: &UpgradeRequest,
    asked: app::Request,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    if !request.dry_run {
        // Nobody is asked for a yes that is worth nothing.
        let commands = &request.commands;
        ports.lock.look().await.map_err(|error| CliError::lock(error, ports.clock.now(), &commands.status()))?;
    }
    let refused = |refused| refusal(refused, &asked, &request.commands, request.dry_run);
    let prepared = app::prepare(ports, &asked).await.map_err(refused)?;
    let now = ports.clock.now();
    if prepared.old.is_empty() && prepared.resumes.is_none() {
        return Ok(nothing_to_do(&prepared, &asked, request, now));
    }
    let brief = app::brief(&prepared, &asked, now);
    if request.dry_run {
        return only_shown(&brief, request, screen);
    }
    let plan = brief.lines(screen.width().unwrap_or(usize::MAX));
    let agreed = request.consent.go_ahead(&plan);
    if !agreed.map_err(|error| CliError::new(ExitCode::Unexpected, "the terminal cannot be read").because(error))? {
        anstream::eprintln!("nothing was touched");
        return Ok(ExitCode::Done);
    }
    // A run that goes on keeps its name, and so its journal.
    let run = prepared.resumes.as_ref().map_or(&asked.run, |intent| &intent.run).clone();
    let header = Header::new(asked.cluster.clone(), asked.group.clone(), run);
    let OpenJournal { mut journal, path, warning } = sinks::open_journal(request.journal.as_deref(), &header)?;
    let closing = Closing { commands: request.commands.clone(), journal: path, undoing: None };
    let mut reporter = sinks::reporters(request.output, screen, closing);
    if let Some(message) = warning {
        reporter.record(&Record { at: ports.clock.now(), event: Event::Warning { message } });
    }
    let mut stop = stop::listen();
    let outcome = app::upgrade(ports, &asked, prepared, &mut reporter, &mut *journal, &mut stop).await;
    reporter.finish();
    ended(outcome, ports.clock.now(), &request.commands)
}

/// The plan as the answer, in the form that was asked for.
fn only_shown(brief: &Brief, request: &UpgradeRequest, screen: &Screen) -> Result<ExitCode, CliError> {
    let text = match request.output {
        Form::Human => Ok(brief.long(screen.width().unwrap_or(usize::MAX)).join("\n")),
        Form::Json => serde_json::to_string_pretty(brief),
        Form::Jsonl => serde_json::to_string(brief),
    };
    let text = text.map_err(|error| CliError::new(ExitCode::Unexpected, "cannot write the plan").because(error))?;
    anstream::println!("{text}");
    anstream::eprintln!("Next: {}", request.commands.begin(""));
    Ok(ExitCode::Done)
}

/// Says why there is nothing to do; programs get the document or record of a run that is done.
fn nothing_to_do(
    prepared: &Prepared,
    asked: &app::Request,
    request: &UpgradeRequest,
    now: jiff::Timestamp,
) -> ExitCode {
    let ended = Event::RunEnded { outcome: RunOutcome::Done, left: 0, replaced: 0 };
    let ended = Record { at: now, event: ended };
    match request.output {
        Form::Human => match prepared.not_old.as_slice() {
            [] => anstream::println!("{} has no old nodes: nothing to do", asked.group),
            named => {
                for node in named {
                    anstream::println!("node/{node} is not old: it comes from what {} launches now", asked.group);
                }
                let next = request.commands.begin("--all-nodes");
                anstream::eprintln!("nothing to do\nNext: {next}   (replaces nodes that are not old too)");
            }
        },
        Form::Json => {
            let mut document = JsonDocument::new(std::io::stdout()).of(asked.cluster.clone(), asked.group.clone());
            document.record(&ended);
            document.finish();
        }
        Form::Jsonl => JsonLines(std::io::stdout()).record(&ended),
    }
    ExitCode::Done
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
        // Perhaps nothing is remembered yet: with all that was said it is right in any case.
        Err(DriveError::Port(error)) => {
            Err(CliError::from(error).next(commands.begin("   (goes on where it stopped)")))
        }
        Err(DriveError::Left) if !commands.resumable() => {
            Err(CliError::new(ExitCode::Interrupted, "stopped at once; the sandbox is gone with it")
                .next(commands.begin("   (begins anew)")))
        }
        Err(error @ (DriveError::Left | DriveError::Adrift { .. })) => {
            Err(CliError::new(ExitCode::Interrupted, error.to_string())
                .next(commands.begin("   (goes on)"))
                .next(format!("{}   (undoes what was done)", commands.abort())))
        }
    }
}

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

fn group_of(spec: &WorldSpec) -> GroupName {
    match (&spec.group.nodegroup, &spec.group.asg) {
        (Some(nodegroup), _) => GroupName::Nodegroup(nodegroup.name.as_str().into()),
        (None, asg) => GroupName::Asg(asg.as_deref().unwrap_or("workers").into()),
    }
}
