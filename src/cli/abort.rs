//! `mngup abort`.

use super::{
    answer::{Stdout, answer, answer_json, answer_json_line, tell},
    args::{AbortArgs, Form},
    connect::{self, Purpose},
    consent::{Consent, declined},
    error::CliError,
    exit_code::ExitCode,
    run::not_begun,
    sinks::{self, OpenJournal},
    stop,
    target::Target,
};
use crate::{
    adapters::SystemClock,
    app::{self, DriveError},
    journal::Header,
    ports::{Clock, Lock},
    report::{Closing, Commands, Reporter, Screen, Undoing},
};

/// Undoes what a run did, and only that.
///
/// # Errors
/// When the group is not pointed at, a yes is missing, or the undoing broke off.
pub(super) async fn abort(args: AbortArgs, can_ask: bool, screen: Screen) -> Result<ExitCode, CliError> {
    let dry_run = args.dry_run.then(|| "--dry-run".to_owned());
    let target = args.target.target("abort", dry_run.into_iter().collect())?;
    let commands = target.commands();
    let consent = Consent::needed(args.yes, args.dry_run, can_ask, &commands.abort())?;
    let now = SystemClock.now();
    let run = Purpose::Undo { lease: args.lease.lease_duration };
    let purpose = if args.dry_run { Purpose::Look } else { run };
    let ports = connect::connect(&target, purpose, &connect::operator(), &connect::run_id(now)).await?;
    if !args.dry_run {
        ports.lock.look().await.map_err(|error| CliError::lock(error, now, &commands.status()))?;
    }
    let Some(seen) = app::undoable(&ports).await? else {
        return nothing_to_undo(&target, args.output);
    };
    if args.dry_run {
        return only_shown(&seen.undoing(), args.output, now, &screen, &commands);
    }
    if !consent.go_ahead(&seen.undoing().lines(now, screen.width().unwrap_or(usize::MAX)))? {
        return Ok(declined());
    }
    let mut stop = stop::listen();
    let begun = Box::pin(app::begin_abort(&ports, seen, &mut stop)).await;
    let begun = begun.map_err(|error| not_begun(error, SystemClock.now(), &commands, commands.abort()))?;
    let Some(begun) = begun else {
        return nothing_to_undo(&target, args.output);
    };
    let header = Header::of(begun.intent());
    let OpenJournal { mut journal, path, warning } = sinks::usual_journal(&header);
    if let Some(warning) = warning {
        tell(&format!("warning: {warning}"));
    }
    let again = Commands::report(path.as_deref());
    let stdout = Stdout::default();
    let commands = commands.with(begun.intent().policy.words());
    let closing = Closing { commands: commands.clone(), journal: path, undoing: Some(begun.undoing()), left_out: 0 };
    let mut reporter = sinks::reporters(args.output, &screen, closing, &header, &stdout);
    let outcome = Box::pin(begun.drive(&mut reporter, &mut *journal, &mut stop)).await;
    reporter.finish();
    match outcome.transpose() {
        None => nothing_to_undo(&target, args.output),
        Some(Ok(outcome)) => stdout.settle(ExitCode::from(&outcome), &again),
        Some(Err(error)) => Err(broke_off(error, SystemClock.now(), &commands)),
    }
}

fn broke_off(error: DriveError, now: jiff::Timestamp, commands: &Commands) -> CliError {
    let again = format!("{}   # goes on with it", commands.abort());
    match error {
        DriveError::Lock(error) => CliError::lock_lost(error, now, &commands.status()),
        DriveError::Port(error) => CliError::from(error).midway().next(again).reaching(commands),
        error @ (DriveError::Left | DriveError::Adrift { .. }) => {
            CliError::new(ExitCode::Interrupted, error.to_string()).next(again)
        }
    }
}

fn nothing_to_undo(target: &Target, form: Form) -> Result<ExitCode, CliError> {
    match form {
        Form::Human => answer(&format!("{} has no run to undo\n", target.group))?,
        Form::Json => answer("null\n")?,
        Form::Jsonl => {}
    }
    Ok(ExitCode::Done)
}

/// What there is to be undone as the answer, in the form that was asked for.
fn only_shown(
    undoing: &Undoing,
    form: Form,
    now: jiff::Timestamp,
    screen: &Screen,
    commands: &Commands,
) -> Result<ExitCode, CliError> {
    match form {
        Form::Human => {
            let lines = undoing.lines(now, screen.width().unwrap_or(usize::MAX));
            answer(&format!("{}\n(dry run) nothing was written\n", lines.join("\n")))?;
        }
        Form::Json => answer_json(undoing)?,
        Form::Jsonl => answer_json_line(undoing)?,
    }
    tell(&format!("Next: {}", commands.abort()));
    Ok(ExitCode::Done)
}
