//! `mngup completions`.

use std::io::Write;

use clap::CommandFactory;

use super::{
    args::{Cli, CompletionsArgs},
    exit_code::ExitCode,
};

/// Prints the script that completes mngup's command line in a shell.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mngup", &mut script);
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(&script);
    ExitCode::Done
}
