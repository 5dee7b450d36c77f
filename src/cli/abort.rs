//! `mngup abort`.

use super::{
    args::{AbortArgs, Form},
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    sinks::{self, OpenJournal},
    stop,
    target::Target,
};
use crate::{
    adapters::SystemClock,
    app::{self, DriveError},
    journal::Header,
    ports::{Clock, Cluster, Lock},
    report::{Closing, Commands, Reporter, Screen, Undoing},
};

/// Undoes what a run did, and only that.
///
/// # Errors
/// When the group is not pointed at, a yes is missing, or the undoing broke off.
pub(super) async fn abort(args: AbortArgs, can_ask: bool, screen: Screen) -> Result<ExitCode, CliError> {
    let dry_run = args.dry_run.then(|| "--dry-run".to_owned());
    let target = args.target.target("abort")?.beside(dry_run.into_iter().collect());
    let commands = target.commands();
    let consent = Consent::needed(args.yes, args.dry_run, can_ask, &commands.abort())?;
    let now = SystemClock.now();
    let run = Purpose::Undo { lease: args.lease.lease_duration };
    let purpose = if args.dry_run { Purpose::Look } else { run };
    let ports = connect::connect(&target, purpose, &connect::operator(), &connect::run_id(now)).await?;
    if !args.dry_run {
        ports.lock.look().await.map_err(|error| CliError::lock(error, now, &commands.status()))?;
    }
    let remembered = ports.cluster.intent().await?;
    let (Some(intent), Some(undoing)) = (remembered, app::undoing(&ports).await?) else {
        return Ok(nothing_to_undo(&target, args.output));
    };
    let commands = commands.with(intent.policy.words());
    if args.dry_run {
        return only_shown(&undoing, args.output, now, &screen, &commands);
    }
    let plan = undoing.lines(now, screen.width().unwrap_or(usize::MAX));
    let agreed = consent.go_ahead(&plan);
    if !agreed.map_err(|error| CliError::new(ExitCode::Unexpected, "the terminal cannot be read").because(error))? {
        anstream::eprintln!("nothing was touched");
        return Ok(ExitCode::Done);
    }
    let header = Header::of(&intent);
    let OpenJournal { mut journal, path, warning } = sinks::open_journal(None, &header)?;
    if let Some(warning) = warning {
        anstream::eprintln!("warning: {warning}");
    }
    let closing = Closing { commands: commands.clone(), journal: path, undoing: Some(undoing) };
    let mut reporter = sinks::reporters(args.output, &screen, closing);
    let mut stop = stop::listen();
    let outcome = app::abort(&ports, &mut reporter, &mut *journal, &mut stop).await;
    reporter.finish();
    match outcome {
        Ok(None) => Ok(nothing_to_undo(&target, args.output)),
        Ok(Some(outcome)) => Ok(ExitCode::from(&outcome)),
        Err(error) => Err(broke_off(error, SystemClock.now(), &commands)),
    }
}

fn broke_off(error: DriveError, now: jiff::Timestamp, commands: &Commands) -> CliError {
    let again = format!("{}   (goes on with it)", commands.abort());
    match error {
        DriveError::Lock(error) => CliError::lock(error, now, &commands.status()),
        DriveError::Port(error) => CliError::from(error).next(again),
        error @ (DriveError::Left | DriveError::Adrift { .. }) => {
            CliError::new(ExitCode::Interrupted, error.to_string()).next(again)
        }
    }
}

fn nothing_to_undo(target: &Target, form: Form) -> ExitCode {
    match form {
        Form::Human => anstream::println!("{} has no run to undo", target.group),
        Form::Json => anstream::println!("null"),
        Form::Jsonl => {}
    }
    ExitCode::Done
}

/// What there is to be undone as the answer, in the form that was asked for.
fn only_shown(
    undoing: &Undoing,
    form: Form,
    now: jiff::Timestamp,
    screen: &Screen,
    commands: &Commands,
) -> Result<ExitCode, CliError> {
    let text = match form {
        Form::Human => {
            let lines = undoing.lines(now, screen.width().unwrap_or(usize::MAX));
            Ok(format!("{}\n(dry run) nothing was written", lines.join("\n")))
        }
        Form::Json => serde_json::to_string_pretty(undoing),
        Form::Jsonl => serde_json::to_string(undoing),
    };
    let text = text.map_err(|error| CliError::new(ExitCode::Unexpected, "cannot write the plan").because(error))?;
    anstream::println!("{text}");
    anstream::eprintln!("Next: {}", commands.abort());
    Ok(ExitCode::Done)
}
