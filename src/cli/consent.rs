//! Who agreed to what is about to be done.

use std::io::{BufRead, Write};

use super::{answer::tell, error::CliError, exit_code::ExitCode};

/// Whether a yes is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nobody needs to be asked: `--yes`, or nothing real is touched.
    Given,
    /// The plan is shown and a yes is asked for.
    Ask,
}

impl Consent {
    /// Finds out whether to ask; where nobody can be asked, a missing `--yes` is a mistake.
    ///
    /// # Errors
    /// When a yes is needed and there is no terminal.
    pub fn needed(yes: bool, harmless: bool, terminal: bool, command: &str) -> Result<Self, CliError> {
        match (yes || harmless, terminal) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::Ask),
            (false, false) => Err(CliError::usage("nobody is here to say yes: this is not a terminal")
                .next(format!("{command} --yes"))
                .next(format!("{command} --dry-run   # to see what it would do"))),
        }
    }

    /// Shows on stderr what is meant to be done, asks where a yes is still needed, and says whether to go ahead.
    ///
    /// # Errors
    /// When a yes is needed and cannot be asked for.
    pub fn go_ahead(self, plan: &[String]) -> Result<bool, CliError> {
        match self {
            Self::Given => {
                // Who said yes already need not be there to read this.
                tell(&plan.join("\n"));
                Ok(true)
            }
            Self::Ask => {
                let mut talk = std::io::stderr().lock();
                let shown = plan.iter().try_for_each(|line| writeln!(talk, "{line}"));
                let asked = shown.and_then(|()| Self::ask(&mut std::io::stdin().lock(), &mut talk));
                asked.map_err(|error| {
                    CliError::new(ExitCode::Unexpected, "nobody could be asked for a yes: the terminal does not answer")
                        .because(error)
                })
            }
        }
    }

    /// Asks `Go ahead? [y/N]`; anything but a yes is a no.
    ///
    /// # Errors
    /// When the terminal cannot be read or written.
    pub fn ask(input: &mut impl BufRead, output: &mut impl Write) -> std::io::Result<bool> {
        write!(output, "Go ahead? [y/N] ")?;
        output.flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// What a no comes to. The nodes are as old as before, which "done, or nothing to do" would deny to a script.
pub(super) fn declined() -> ExitCode {
    tell("nothing was touched");
    ExitCode::Interrupted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (typed, expected) in [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("yep\n", false)] {
            let mut shown = Vec::new();
            assert_eq!(Consent::ask(&mut typed.as_bytes(), &mut shown).unwrap(), expected, "{typed:?}");
            assert_eq!(shown, b"Go ahead? [y/N] ");
        }
    }

    #[test]
    fn a_no_is_not_taken_for_done() {
        assert_ne!(declined(), ExitCode::Done);
    }

    #[test]
    fn without_a_terminal_a_yes_must_have_been_given() {
        assert_eq!(Consent::needed(true, false, false, "").unwrap(), Consent::Given);
        assert_eq!(Consent::needed(false, true, false, "").unwrap(), Consent::Given);
        assert_eq!(Consent::needed(false, false, true, "").unwrap(), Consent::Ask);
        assert!(Consent::needed(false, false, false, "mngup upgrade -c prod -n apps").is_err());
    }
}
