//! The command line: reads it, checks it, asks, and says how it ended. The only room that constructs adapters.

mod abort;
mod args;
mod completions;
mod connect;
mod consent;
mod error;
mod exit_code;
mod logging;
mod policy_args;
mod refusal;
mod report;
mod sinks;
mod status;
mod stop;
mod suggest;
mod target;
mod terminal;
mod upgrade;
mod values;

use std::{io::Write, process};

use clap::Parser;

pub use args::{AbortArgs, Cli, Command, CompletionsArgs, Form, ReportArgs, StatusArgs, UpgradeArgs};
pub use consent::Consent;
pub use error::CliError;
pub use exit_code::ExitCode;
pub use sinks::{OpenJournal, open_journal, reporters};
pub use target::{Access, Target};
pub use upgrade::{UpgradeRequest, Where};
pub use values::World;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Where nobody listens any more there is nobody to tell.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::Usage.into(), process::ExitCode::from);
        }
    };
    match run(cli) {
        Ok(code) => code.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            error.code().into()
        }
    }
}

/// Runs a command.
///
/// # Errors
/// Whatever kept it from its end, with what the user does about it.
pub fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let screen = terminal::screen(cli.talk.color);
    logging::start(cli.talk.verbose, screen.color_stderr);
    match cli.command {
        Command::Upgrade(args) => {
            let request = args.request(terminal::can_ask())?;
            wait_for(upgrade::upgrade(request, screen))
        }
        Command::Status(args) => wait_for(status::status(args, screen)),
        Command::Abort(args) => wait_for(abort::abort(args, terminal::can_ask(), screen)),
        Command::Report(args) => report::report(&args, &screen),
        Command::Completions(args) => Ok(completions::completions(&args)),
    }
}

fn wait_for(command: impl Future<Output = Result<ExitCode, CliError>>) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::new(ExitCode::Unexpected, "cannot start the async runtime").because(error))?;
    runtime.block_on(command)
}
