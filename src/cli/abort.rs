//! `mngup abort`.

use super::{
    args::AbortArgs,
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    sinks::{self, OpenJournal},
    stop,
    upgrade::ended,
};
use crate::{
    adapters::SystemClock,
    app,
    domain::{Intent, short},
    journal::Header,
    ports::{Clock, Cluster},
    report::{Closing, Reporter, Screen},
};

/// Undoes what a run did, and only that.
///
/// # Errors
/// When the group is not pointed at, a yes is missing, or the undoing broke off.
pub(super) async fn abort(args: AbortArgs, can_ask: bool, screen: Screen) -> Result<ExitCode, CliError> {
    let target = args.target.target("abort")?;
    let commands = target.commands();
    let consent = Consent::needed(args.yes, args.dry_run, can_ask, &commands.abort())?;
    let now = SystemClock.now();
    let run = Purpose::Run { deletes_pods: false, lease: args.lease.lease_duration };
    let purpose = if args.dry_run { Purpose::Look } else { run };
    let ports = connect::connect(&target, purpose, &connect::operator(), &connect::run_id(now)).await?;
    let Some(intent) = ports.cluster.intent().await? else {
        anstream::println!("{} has no run to undo", target.group);
        return Ok(ExitCode::Done);
    };
    let plan = plan(&intent, now);
    if args.dry_run {
        anstream::println!("{}\n(dry run) nothing was written", plan.join("\n"));
        return Ok(ExitCode::Done);
    }
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
    let closing = Closing { commands: commands.clone(), journal: path };
    let mut reporter = sinks::reporters(args.output, &screen, closing);
    let mut stop = stop::listen();
    let outcome = app::abort(&ports, &mut reporter, &mut *journal, &mut stop).await;
    reporter.finish();
    match outcome {
        Ok(None) => {
            anstream::println!("{} has no run to undo", target.group);
            Ok(ExitCode::Done)
        }
        Ok(Some(outcome)) => ended(Ok(outcome), SystemClock.now(), &commands),
        Err(error) => ended(Err(error), SystemClock.now(), &commands),
    }
}

fn plan(intent: &Intent, now: jiff::Timestamp) -> Vec<String> {
    let age = short(crate::domain::elapsed(intent.started_at, now));
    vec![
        format!(
            "cluster/{}  {}   a run that {}@{} began {age} ago",
            intent.cluster, intent.group, intent.operator.user, intent.operator.host
        ),
        format!(
            "its cordons, labels, taints and annotations go; AZRebalance resumes; the group gets back to {} nodes by a drain",
            intent.size.desired
        ),
        "nodes that are new stay".to_owned(),
    ]
}
