//! `mngup upgrade`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    answer::{Stdout, answer, answer_json, answer_json_line, tell},
    args::{Form, UpgradeArgs},
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    refusal::refusal,
    sinks::{self, OpenJournal},
    stop,
    target::Target,
    values::{Sandbox, World},
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
            Sandbox::Off => {
                let dry_run = self.dry_run.then(|| "--dry-run".to_owned());
                let target =
                    self.target.target("upgrade")?.beside(settings.words().into_iter().chain(dry_run).collect());
                let commands = target.commands().with(settings.words());
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
    let commands = &request.commands;
    if !request.dry_run {
        // Nobody is asked for a yes that is worth nothing.
        ports.lock.look().await.map_err(|error| CliError::lock(error, ports.clock.now(), &commands.status()))?;
    }
    let refused = |refused| refusal(refused, &asked, &request.commands, request.dry_run);
    let prepared = app::prepare(ports, &asked).await.map_err(refused)?;
    let now = ports.clock.now();
    if prepared.old.is_empty() && prepared.resumes.is_none() {
        return nothing_to_do(&prepared, &asked, request, now);
    }
    let brief = app::brief(&prepared, &asked, now);
    if request.dry_run {
        return only_shown(&brief, request, screen);
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
    let mut stop = stop::listen();
    let begun = app::begin(ports, &asked, prepared, &mut stop).await;
    let begun = begun.map_err(|error| not_begun(error, ports.clock.now(), commands, commands.begin("")))?;
    let header = Header { run: begun.run().clone(), ..header };
    let OpenJournal { mut journal, path, warning } = match sinks::open_journal(request.journal.as_deref(), &header) {
        Ok(open) => open,
        Err(error) => {
            begun.give_up().await;
            return Err(error);
        }
    };
    let again = Commands::report(path.as_deref());
    let stdout = Stdout::default();
    let closing = Closing { commands: commands.clone(), journal: path, undoing: None };
    let mut reporter = sinks::reporters(request.output, screen, closing, &stdout);
    if let Some(message) = warning {
        reporter.record(&Record { at: ports.clock.now(), event: Event::Warning { message } });
    }
    let outcome = begun.drive(&mut reporter, &mut *journal, &mut stop).await;
    reporter.finish();
    stdout.settle(ended(outcome, ports.clock.now(), commands)?, &again)
}

/// Why a run did not begin, or its undoing: nothing was touched. `again` is the command for another try.
pub(super) fn not_begun(error: DriveError, now: jiff::Timestamp, commands: &Commands, again: String) -> CliError {
    match error {
        DriveError::Lock(error) => CliError::lock(error, now, &commands.status()),
        DriveError::Port(error) => error.into(),
        DriveError::Left | DriveError::Adrift { .. } => {
            CliError::new(ExitCode::Interrupted, "stopped before it began; nothing was touched").next(again)
        }
    }
}

/// The plan as the answer, in the form that was asked for.
fn only_shown(brief: &Brief, request: &UpgradeRequest, screen: &Screen) -> Result<ExitCode, CliError> {
    match request.output {
        Form::Human => answer(&(brief.long(screen.width().unwrap_or(usize::MAX)).join("\n") + "\n"))?,
        Form::Json => answer_json(brief)?,
        Form::Jsonl => answer_json_line(brief)?,
    }
    tell(&format!("Next: {}", request.commands.begin("")));
    Ok(ExitCode::Done)
}

/// Says why there is nothing to do; programs get the document or record of a run that is done.
fn nothing_to_do(
    prepared: &Prepared,
    asked: &app::Request,
    request: &UpgradeRequest,
    now: jiff::Timestamp,
) -> Result<ExitCode, CliError> {
    let ended = Event::RunEnded { outcome: RunOutcome::Done, left: 0, replaced: 0 };
    let ended = Record { at: now, event: ended };
    let stdout = Stdout::default();
    match request.output {
        Form::Human => match prepared.not_old.as_slice() {
            [] => answer(&format!("{} has no old nodes: nothing to do\n", asked.group))?,
            named => {
                let is_new =
                    |node| format!("node/{node} is not old: it comes from what {} launches now\n", asked.group);
                answer(&named.iter().map(is_new).collect::<String>())?;
                let next = request.commands.begin("--all-nodes");
                tell(&format!("nothing to do\nNext: {next}   (replaces nodes that are not old too)"));
            }
        },
        Form::Json => {
            let mut document = JsonDocument::new(stdout.clone()).of(asked.cluster.clone(), asked.group.clone());
            document.record(&ended);
            document.finish();
        }
        Form::Jsonl => JsonLines(stdout.clone()).record(&ended),
    }
    stdout.written()?;
    Ok(ExitCode::Done)
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
            Err(CliError::from(error).midway().next(commands.begin("   (goes on where it stopped)")))
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::{
        ports::LockError,
        sim::{SimClock, SimCluster, SimLock},
    };

    const NOWHERE: Screen = Screen {
        stdout_terminal: false,
        stderr_terminal: false,
        bars: false,
        color_stdout: false,
        color_stderr: false,
        zone: TimeZone::UTC,
    };

    fn ann() -> Operator {
        Operator { user: "ann".to_owned(), host: "laptop".to_owned() }
    }

    fn sim() -> Sim {
        Sim::new(SimWorld::new(WorldSpec::with_old_nodes(&[("a", 2)]), SANDBOX_SEED), 1.0)
    }

    fn ports<A: Cloud, L: Lock>(sim: &Sim, cloud: A, lock: L) -> Ports<SimCluster, A, SimClock, L> {
        Ports {
            cluster: Arc::new(sim.cluster()),
            cloud: Arc::new(cloud),
            clock: Arc::new(sim.clock()),
            lock: Arc::new(lock),
        }
    }

    /// Why no run begins here that is to write this journal.
    async fn why_not<C: Cluster, A: Cloud, K: Clock, L: Lock>(ports: &Ports<C, A, K, L>, journal: &Path) -> CliError {
        let request = UpgradeRequest {
            place: Where::Sandbox { world: World::Embedded, speed: 1.0 },
            settings: Settings::default(),
            lease: Duration::from_secs(30),
            dry_run: false,
            consent: Consent::Given,
            output: Form::Human,
            journal: Some(journal.to_owned()),
            commands: Commands::new(["-c", "prod", "-n", "workers"].map(str::to_owned).into()),
        };
        let asked = app::Request {
            cluster: "prod".into(),
            group: GroupName::Nodegroup("workers".into()),
            settings: Settings::default(),
            operator: ann(),
            run: RunId::new("r1"),
            version: "0.1.0".to_owned(),
        };
        Box::pin(go(ports, &request, asked, &NOWHERE)).await.unwrap_err()
    }

    /// A lock that somebody else takes after it was looked at.
    struct TakenMeanwhile {
        ours: SimLock,
        theirs: SimLock,
    }

    impl Lock for TakenMeanwhile {
        async fn acquire(&self) -> Result<(), LockError> {
            self.theirs.acquire().await?;
            self.ours.acquire().await
        }

        async fn look(&self) -> Result<(), LockError> {
            self.ours.look().await
        }

        async fn renew(&self) -> Result<(), LockError> {
            self.ours.renew().await
        }

        fn is_held(&self) -> bool {
            self.ours.is_held()
        }

        async fn release(&self) {
            self.ours.release().await;
        }

        fn renew_every(&self) -> Duration {
            self.ours.renew_every()
        }
    }

    #[tokio::test]
    async fn a_run_that_is_refused_for_the_lock_leaves_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("below/run.jsonl");
        let sim = sim();
        let lock = TakenMeanwhile { ours: sim.lock(ann()), theirs: sim.lock(ann()) };
        let error = why_not(&ports(&sim, sim.cloud(), lock), &journal).await;
        assert_eq!(error.code(), ExitCode::Locked);
        assert!(!journal.parent().unwrap().exists());
    }
}
