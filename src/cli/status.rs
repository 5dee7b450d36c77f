//! `mngup status`.

use super::{args::StatusArgs, error::CliError, exit_code::ExitCode};
use crate::report::Screen;

/// Shows where the run of a group is. The one place where `status` meets ports and the app.
///
/// # Errors
/// When the group cannot be reached.
#[expect(clippy::unused_async, reason = "awaits the cluster once the ports are wired")]
pub(super) async fn status(args: StatusArgs, screen: Screen) -> Result<ExitCode, CliError> {
    drop(screen);
    let target = args.target.target("status")?;
    let what = format!("cluster/{} {} is not wired to the engine in this build", target.cluster, target.group);
    Err(CliError::new(ExitCode::Unexpected, what))
}
