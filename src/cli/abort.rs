//! `mngup abort`.

use super::{args::AbortArgs, consent::Consent, error::CliError, exit_code::ExitCode};
use crate::report::Screen;

/// Undoes what a run did. The one place where `abort` meets ports and the app.
///
/// # Errors
/// When the group cannot be reached.
#[expect(clippy::unused_async, reason = "awaits the cluster once the ports are wired")]
pub(super) async fn abort(args: AbortArgs, can_ask: bool, screen: Screen) -> Result<ExitCode, CliError> {
    drop(screen);
    let target = args.target.target("abort")?;
    Consent::needed(args.yes, args.dry_run, can_ask, &target.commands().abort())?;
    let what = format!("cluster/{} {} is not wired to the engine in this build", target.cluster, target.group);
    Err(CliError::new(ExitCode::Unexpected, what))
}
