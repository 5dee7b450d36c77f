//! `mngup completions`.

use clap::CommandFactory;

use super::{
    answer::answer,
    args::{Cli, CompletionsArgs},
    error::CliError,
    exit_code::ExitCode,
};

/// Prints the script that completes mngup's command line in a shell.
///
/// # Errors
/// When not all of it could be written.
pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mngup", &mut script);
    answer(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}
