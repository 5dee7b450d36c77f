//! `mngup status`.

use super::{
    answer::answer,
    args::{Form, StatusArgs},
    connect::{self, Purpose},
    error::CliError,
    exit_code::ExitCode,
};
use crate::{
    adapters::SystemClock,
    app,
    domain::IntentState,
    ports::Clock,
    report::{self, Progress, Screen},
};

/// Says what a run has done and what it waits for, read from the cluster alone.
///
/// # Errors
/// When the group is not pointed at, or cannot be read.
pub(super) async fn status(args: StatusArgs, screen: Screen) -> Result<ExitCode, CliError> {
    let target = args.target.target("status")?;
    let now = SystemClock.now();
    let ports = connect::connect(&target, Purpose::Look, &connect::operator(), &connect::run_id(now)).await?;
    let status = app::status(&ports).await?;
    let (new, all) = status.new;
    match args.output {
        Form::Human => {
            let progress = Progress::of(&status.records);
            let mut lines = report::status(&progress, now, screen.width().unwrap_or(120), screen.color_stdout);
            lines.push(format!("{new} of {all} nodes are new"));
            match status.intent.map(|intent| intent.state) {
                Some(IntentState::Stopped { at, why }) => {
                    lines.push(format!("stopped {} ago: {why}", crate::domain::short(crate::domain::elapsed(at, now))));
                    lines.push(format!("Next: {}   (goes on)", target.commands().upgrade("")));
                    lines.push(format!("  or: {}   (undoes what it did)", target.commands().abort()));
                }
                Some(IntentState::Rolling) | None => {}
            }
            answer(&(lines.join("\n") + "\n"))?;
        }
        Form::Json | Form::Jsonl => {
            let document = serde_json::json!({
                "intent": status.intent,
                "new": new,
                "nodes": all,
                "records": status.records,
            });
            answer(&format!("{document}\n"))?;
        }
    }
    Ok(ExitCode::Done)
}
