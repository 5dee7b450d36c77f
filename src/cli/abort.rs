//! `mngup abort`.

use super::{
    answer::{Stdout, answer, tell},
    args::AbortArgs,
    connect::{self, Purpose},
    consent::Consent,
    error::CliError,
    exit_code::ExitCode,
    sinks::{self, OpenJournal},
    stop,
    upgrade::{ended, not_begun},
};
use crate::{
    adapters::SystemClock,
    app,
    domain::{Intent, short},
    journal::Header,
    ports::{Clock, Cluster},
    report::{Closing, Commands, Reporter, Screen},
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
        answer(&format!("{} has no run to undo\n", target.group))?;
        return Ok(ExitCode::Done);
    };
    let plan = plan(&intent, now);
    if args.dry_run {
        answer(&format!("{}\n(dry run) nothing was written\n", plan.join("\n")))?;
        return Ok(ExitCode::Done);
    }
    if !consent.go_ahead(&plan)? {
        tell("nothing was touched");
        return Ok(ExitCode::Done);
    }
    let mut stop = stop::listen();
    let begun = Box::pin(app::begin_abort(&ports, &mut stop)).await;
    let Some(undoing) = begun.map_err(|error| not_begun(error, SystemClock.now(), &commands))? else {
        answer(&format!("{} has no run to undo\n", target.group))?;
        return Ok(ExitCode::Done);
    };
    let OpenJournal { mut journal, path, warning } = sinks::usual_journal(&Header::of(undoing.intent()));
    if let Some(warning) = warning {
        tell(&format!("warning: {warning}"));
    }
    let again = Commands::report(path.as_deref());
    let (closing, stdout) = (Closing { commands: commands.clone(), journal: path }, Stdout::default());
    let mut reporter = sinks::reporters(args.output, &screen, closing, &stdout);
    let outcome = Box::pin(undoing.drive(&mut reporter, &mut *journal, &mut stop)).await;
    reporter.finish();
    match outcome.transpose() {
        None => {
            answer(&format!("{} has no run to undo\n", target.group))?;
            Ok(ExitCode::Done)
        }
        Some(outcome) => stdout.settle(ended(outcome, SystemClock.now(), &commands)?, &again),
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
