//! From ports to an outcome: the plan, the yes, the lock, the journal, the run.

use super::{
    answer::{Stdout, answer, answer_json, answer_json_line, tell},
    args::Form,
    consent::declined,
    error::CliError,
    exit_code::ExitCode,
    refusal::refusal,
    sinks::{self, OpenJournal},
    stop,
    upgrade::UpgradeRequest,
};
use crate::{
    app::{self, DriveError, NotBegun, Ports, Prepared},
    engine::event::RunOutcome,
    journal::Header,
    ports::{Clock, Cloud, Cluster, Event, Lock, Record},
    report::{Brief, Closing, Commands, JsonDocument, Reporter, Screen},
};

/// Looks, says what stands in the way, asks, takes the lock, and drives the run to its end.
///
/// # Errors
/// Whatever kept the run from beginning, or broke it off; how it ended otherwise is in the exit code.
pub(super) async fn go<C: Cluster, A: Cloud, K: Clock, L: Lock>(
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
    let mut prepared = app::prepare(ports, &asked).await.map_err(refused)?;
    let foreseen = app::foresee(ports, &mut prepared).await?;
    let now = ports.clock.now();
    let commands = &commands.clone().scaled_by(prepared.auto_scaling_group());
    let brief = app::brief(&prepared, foreseen, &asked, commands, now);
    if prepared.old.is_empty() && prepared.resumes.is_none() {
        return nothing_to_do(&prepared, &brief, &asked, request, now);
    }
    if request.dry_run {
        return only_shown(&brief, request, screen);
    }
    // A run that goes on keeps its name, and so its journal.
    let run = prepared.resumes.as_ref().map_or(&asked.run, |intent| &intent.run).clone();
    let header = Header::new(asked.cluster.clone(), asked.group.clone(), run).in_sandbox(request.place.world());
    sinks::check_journal(request.journal.as_deref(), &header)?;
    let plan = brief.lines(screen.width().unwrap_or(usize::MAX));
    if !request.consent.go_ahead(&plan)? {
        return Ok(declined());
    }
    let left_out = prepared.left_out();
    let mut stop = stop::listen();
    let begun = app::begin(ports, &asked, prepared, &mut stop).await;
    let begun = begun.map_err(|error| match error {
        NotBegun::Refused(error) => refused(error),
        NotBegun::Broken(error) => not_begun(error, ports.clock.now(), commands, commands.begin("")),
    })?;
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
    let closing = Closing { commands: commands.clone(), journal: path, undoing: None, left_out };
    let mut reporter = sinks::reporters(request.output, screen, closing, &header, &stdout);
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
    let next = if brief.to_fix().next().is_none() { "Next" } else { "Next, once that is fixed" };
    tell(&format!("{next}: {}", request.commands.begin("")));
    Ok(ExitCode::Done)
}

/// Says why there is nothing to do, and what is odd all the same; programs get the plan without a node where a plan was
/// asked for, and else the document or the records of a run that is done.
fn nothing_to_do(
    prepared: &Prepared,
    plan: &Brief,
    asked: &app::Request,
    request: &UpgradeRequest,
    now: jiff::Timestamp,
) -> Result<ExitCode, CliError> {
    match (request.output, request.dry_run) {
        (Form::Human, _) => say_why(prepared, asked, request)?,
        (Form::Json, true) => answer_json(plan)?,
        (Form::Jsonl, true) => answer_json_line(plan)?,
        (Form::Json, false) => {
            let document = |stdout| JsonDocument::new(stdout).of(asked.cluster.clone(), asked.group.clone());
            say_done(document, prepared, now)?;
        }
        (Form::Jsonl, false) => {
            let header = Header::new(asked.cluster.clone(), asked.group.clone(), asked.run.clone());
            let header = header.in_sandbox(request.place.world());
            say_done(|stdout| sinks::told_as_journal(&header, &stdout), prepared, now)?;
        }
    }
    Ok(ExitCode::Done)
}

/// A run that is done before it began, for programs.
fn say_done<R: Reporter>(
    reporter: impl FnOnce(Stdout) -> R,
    prepared: &Prepared,
    now: jiff::Timestamp,
) -> Result<(), CliError> {
    let stdout = Stdout::default();
    let mut reporter = reporter(stdout.clone());
    let odd = prepared.oddities().into_iter().map(|message| Event::Warning { message });
    let ended = Event::RunEnded { outcome: RunOutcome::Done, left: 0, replaced: 0 };
    for event in odd.chain([ended]) {
        reporter.record(&Record { at: now, event });
    }
    reporter.finish();
    stdout.written()
}

/// Why there is nothing to do, for a person.
fn say_why(prepared: &Prepared, asked: &app::Request, request: &UpgradeRequest) -> Result<(), CliError> {
    let group = &asked.group;
    let is_new = |node| format!("node/{node} is not old: it comes from what {group} launches now");
    let mut lines: Vec<_> = prepared.not_old.iter().map(is_new).collect();
    if lines.is_empty() {
        lines.push(format!("{group} has no old nodes: nothing to do"));
    }
    lines.extend(prepared.oddities());
    answer(&(lines.join("\n") + "\n"))?;
    if !prepared.not_old.is_empty() {
        let next = request.commands.begin("--all-nodes");
        tell(&format!("nothing to do\nNext, only to recycle them all the same: {next}"));
    }
    Ok(())
}

/// The exit code of a run that ended, or why it broke off.
fn ended(
    outcome: Result<RunOutcome, DriveError>,
    now: jiff::Timestamp,
    commands: &Commands,
) -> Result<ExitCode, CliError> {
    match outcome {
        Ok(outcome) => Ok(ExitCode::from(&outcome)),
        Err(DriveError::Lock(error)) => Err(CliError::lock_lost(error, now, &commands.status())),
        // Perhaps nothing is remembered yet: with all that was said it is right in any case.
        Err(DriveError::Port(error)) => {
            let next = commands.begin("  # goes on where it stopped");
            Err(CliError::from(error).midway().next(next).reaching(commands))
        }
        Err(DriveError::Left) if !commands.resumable() => {
            Err(CliError::new(ExitCode::Interrupted, "stopped at once; the sandbox is gone with it")
                .next(commands.begin("  # starts again")))
        }
        Err(error @ (DriveError::Left | DriveError::Adrift { .. })) => {
            Err(CliError::new(ExitCode::Interrupted, error.to_string())
                .next(commands.begin("  # goes on"))
                .next(format!("{}   # undoes what was done", commands.abort())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use insta::assert_snapshot;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::{
        cli::{Consent, Where, World},
        domain::{
            Answer, Ask, Change, Group, GroupName, InstanceId, Intent, NodegroupStatus, Notice, Operator, RunId,
            Settings,
        },
        engine::effect::{CloudAct, Outcome},
        ports::{KubeAct, LockError, PortError, Watch},
        sim::{Sim, SimClock, SimCloud, SimCluster, SimLock, World as SimWorld, WorldSpec},
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
        Sim::new(SimWorld::new(WorldSpec::with_old_nodes(&[("a", 2)]), 1), 1.0)
    }

    fn ports<A: Cloud, L: Lock>(sim: &Sim, cloud: A, lock: L) -> Ports<SimCluster, A, SimClock, L> {
        Ports {
            cluster: Arc::new(sim.cluster()),
            cloud: Arc::new(cloud),
            clock: Arc::new(sim.clock()),
            lock: Arc::new(lock),
        }
    }

    fn asked() -> app::Request {
        app::Request {
            cluster: "prod".into(),
            group: GroupName::Nodegroup("workers".into()),
            settings: Settings::default(),
            operator: ann(),
            run: RunId::new("r1"),
            version: "0.1.0".to_owned(),
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
        Box::pin(go(ports, &request, asked(), &NOWHERE)).await.unwrap_err()
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

    /// A cluster of which something may not be seen.
    struct HalfSeen {
        cluster: SimCluster,
        told: AtomicBool,
    }

    impl Cluster for HalfSeen {
        fn anew(&self) -> Self {
            Self { cluster: self.cluster.anew(), told: AtomicBool::new(false) }
        }

        async fn changes(&self) -> Result<Vec<Change>, PortError> {
            let mut changes = self.cluster.changes().await?;
            if !self.told.swap(true, Ordering::Relaxed) {
                changes.insert(0, Change::Unseen("no right to list persistentvolumes".to_owned()));
            }
            Ok(changes)
        }

        fn watch(&self, watch: &Watch) {
            self.cluster.watch(watch);
        }

        async fn act(&self, act: &KubeAct) -> Outcome {
            self.cluster.act(act).await
        }

        async fn without_node(&self, instances: &BTreeSet<InstanceId>) -> Result<BTreeSet<InstanceId>, PortError> {
            self.cluster.without_node(instances).await
        }

        async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
            self.cluster.look(asks).await
        }

        async fn announce(&self, notices: &[Notice]) {
            self.cluster.announce(notices).await;
        }

        async fn intent(&self) -> Result<Option<Intent>, PortError> {
            self.cluster.intent().await
        }
    }

    #[tokio::test]
    async fn what_may_not_be_seen_is_in_the_plan_and_a_warning_of_the_run() {
        let sim = sim();
        let cluster = HalfSeen { cluster: sim.cluster(), told: AtomicBool::new(false) };
        let ports = Ports {
            cluster: Arc::new(cluster),
            cloud: Arc::new(sim.cloud()),
            clock: Arc::new(sim.clock()),
            lock: Arc::new(sim.lock(ann())),
        };
        let asked = asked();
        let mut prepared = app::prepare(&ports, &asked).await.unwrap();
        let foreseen = app::foresee(&ports, &mut prepared).await.unwrap();
        let commands = Commands::new(Vec::new());
        let plan = app::brief(&prepared, foreseen, &asked, &commands, ports.clock.now()).lines(usize::MAX);
        assert!(plan.contains(&"no right to list persistentvolumes".to_owned()), "{plan:?}");

        let (leave, mut stop) = tokio::sync::mpsc::channel(1);
        let begun = app::begin(&ports, &asked, prepared, &mut stop).await.unwrap();
        leave.send(app::Stop::Now).await.unwrap();
        let mut journal = crate::journal::MemoryJournal::default();
        let mut nobody = crate::report::JsonLines(std::io::sink());
        drop(Box::pin(begun.drive(&mut nobody, &mut journal, &mut stop)).await);
        let first = &journal.records[0].event;
        assert!(matches!(first, Event::Warning { message } if message.contains("persistentvolumes")), "{first:?}");
    }

    /// A group that EKS begins to update once it was looked at.
    struct UpdatingSoon {
        cloud: SimCloud,
        looked: AtomicBool,
    }

    impl Cloud for UpdatingSoon {
        async fn read(&self, activities: bool) -> Result<Group, PortError> {
            let mut group = self.cloud.read(activities).await?;
            if let Some(nodegroup) = &mut group.nodegroup
                && self.looked.swap(true, Ordering::Relaxed)
            {
                nodegroup.status = NodegroupStatus::Updating;
            }
            Ok(group)
        }

        async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
            self.cloud.look(asks).await
        }

        async fn act(&self, act: &CloudAct) -> Outcome {
            self.cloud.act(act).await
        }
    }

    #[tokio::test]
    async fn what_comes_up_between_the_plan_and_the_lock_refuses_the_run_and_gives_the_lock_back() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.jsonl");
        let sim = sim();
        let cloud = UpdatingSoon { cloud: sim.cloud(), looked: AtomicBool::new(false) };
        let error = why_not(&ports(&sim, cloud, sim.lock(ann())), &journal).await;
        assert_eq!(error.code(), ExitCode::Refused);
        assert_snapshot!(error, @"
        error: nodegroup/workers: EKS is updating this node group itself (status UPDATING)
          Next: aws eks list-updates --name prod --nodegroup-name workers   # wait until EKS is done with what this shows
          then: mngup upgrade -c prod -n workers
        ");
        assert!(!journal.exists());
        sim.lock(ann()).acquire().await.unwrap();
    }
}
