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
        None => meant(code).into_iter().fold(error, |error, near| error.next(format!("mngup explain {near}"))),
    }
    .next("mngup explain   # names all of them")
}

/// So many causes that a word stands for are an answer; a word of more says nothing.
const MEANT: usize = 6;

/// Causes that people know by this word: it is in the code or the title, or else on the page (`CrashLoopBackOff`).
fn meant(word: &str) -> Vec<Cause> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let word = plain(word);
    let with = |text: &dyn Fn(Cause) -> String| -> Vec<Cause> {
        Cause::ALL.iter().copied().filter(|cause| !word.is_empty() && plain(&text(*cause)).contains(&word)).collect()
    };
    let named = with(&|cause| format!("{} {}", cause.code(), cause.title()));
    let mut meant = if named.is_empty() { with(&|cause| page(cause).to_owned()) } else { named };
    meant.truncate(MEANT);
    meant
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
