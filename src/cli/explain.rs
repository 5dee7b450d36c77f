//! `mngup explain`.

use super::{answer::answer, args::ExplainArgs, error::CliError, exit_code::ExitCode, suggest};
use crate::{
    diagnose::page,
    domain::{Cause, Family},
};

/// Shows the page of a cause, or all causes by family.
///
/// # Errors
/// When no cause is called so.
pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, CliError> {
    let Some(code) = &args.code else {
        answer(&table())?;
        return Ok(ExitCode::Done);
    };
    let Some(cause) = Cause::parse(code) else { return Err(unknown(code)) };
    answer(page(cause))?;
    Ok(ExitCode::Done)
}

fn unknown(code: &str) -> CliError {
    let codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.code().to_owned()).collect();
    let error = CliError::usage(format!("no cause is called {code}"));
    match suggest::nearest(code, &codes) {
        Some(near) => error.next(format!("mngup explain {near}")),
        None => error.next("mngup explain   # names all of them"),
    }
}

fn table() -> String {
    let width = Cause::ALL.iter().map(|cause| cause.code().len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for family in Family::ALL {
        lines.push(format!("{}:", family.title()));
        let causes = Cause::ALL.iter().filter(|cause| cause.family() == *family);
        lines.extend(causes.map(|cause| format!("  {:<width$}  {}", cause.code(), cause.title())));
        lines.push(String::new());
    }
    lines.push("mngup explain CODE tells how it is told, fixed and prevented".to_owned());
    lines.join("\n") + "\n"
}
