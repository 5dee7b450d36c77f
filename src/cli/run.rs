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
mod tests;
