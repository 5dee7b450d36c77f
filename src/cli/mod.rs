//! The command line: reads it, checks it, asks, and says how it ended. The only room that constructs adapters.

mod abort;
mod answer;
mod args;
mod completions;
mod connect;
mod consent;
mod diagnose;
mod error;
mod exit_code;
mod explain;
mod logging;
mod policy_args;
mod refusal;
mod report;
mod run;
mod sinks;
mod status;
mod stop;
mod suggest;
mod target;
mod terminal;
mod upgrade;
mod values;
mod variables;
mod whose;

use std::{io, process};

pub use answer::Stdout;
pub use args::{AbortArgs, Cli, Command, CompletionsArgs, Form, ReportArgs, StatusArgs, UpgradeArgs};
pub use consent::Consent;
pub use error::CliError;
pub use exit_code::ExitCode;
pub use sinks::{OpenJournal, check_journal, open_journal, reporters, usual_journal};
pub use target::{Access, Target};
pub use upgrade::{UpgradeRequest, Where};
pub use values::{Sandbox, World};

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> process::ExitCode {
    let ended = match variables::parse(std::env::args_os()) {
        Ok(line) => run(line.cli).map_err(|error| error.with_notes(&line.variables)),
        Err(said) => spoken_for(&said),
    };
    let code = ended.unwrap_or_else(|error| {
        match error.code() {
            // Whoever closed the pipe knows.
            ExitCode::NobodyReads => {}
            ExitCode::Done
            | ExitCode::Unexpected
            | ExitCode::Usage
            | ExitCode::Refused
            | ExitCode::EvictionFailed
            | ExitCode::ReplacementFailed
            | ExitCode::Quarantined
            | ExitCode::Locked
            | ExitCode::Interrupted => answer::tell(&error.to_string()),
        }
        error.code()
    });
    code.into()
}

/// The help or the version that was asked for is an answer; all else that clap says is about a mistake.
fn spoken_for(said: &clap::Error) -> Result<ExitCode, CliError> {
    let shown: io::Result<()> = said.print();
    match (said.use_stderr(), shown) {
        (true, _) => Ok(ExitCode::Usage),
        (false, Ok(())) => Ok(ExitCode::Done),
        (false, Err(error)) => Err(answer::unwritten(error)),
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
        Command::Diagnose(args) => wait_for(diagnose::diagnose(*args, screen)),
        Command::Explain(args) => explain::explain(&args),
        Command::Completions(args) => completions::completions(&args),
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
