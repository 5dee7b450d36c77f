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
    let target = args.target.target("status", Vec::new())?;
    let now = SystemClock.now();
    let ports = connect::connect(&target, Purpose::Look, &connect::operator(), &connect::run_id(now)).await?;
    let status = app::status(&ports).await?;
    match args.output {
        Form::Human => {
            let width = screen.width().unwrap_or(120);
            let lines = report::status(&state(&status), now, width, screen.color_stdout, &target.commands());
            answer(&(lines.join("\n") + "\n"))?;
        }
        Form::Json | Form::Jsonl => {
            let (new, all) = status.new;
            let document = serde_json::json!({
                "intent": status.intent,
                "new": new,
                "nodes": all,
                "size": status.size,
                "holder": status.holder,
                "records": status.records,
            });
            answer(&format!("{document}\n"))?;
        }
    }
    Ok(ExitCode::Done)
}

fn state(status: &app::Status) -> report::State {
    report::State {
        progress: Progress::of(&status.records).at_size(Some(status.size)).short_of(status.missing),
        new: status.new,
        stopped: match status.intent.as_ref().map(|intent| intent.state.clone()) {
            Some(IntentState::Stopped { at, why }) => Some((at, why)),
            Some(IntentState::Rolling) | None => None,
        },
        holder: status.holder.clone(),
    }
}
