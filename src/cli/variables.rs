//! `MNGUP_…` variables: an empty one counts as not set, and one that is wrong is named, not the flag it stands for.

use std::ffi::OsString;

use clap::{
    Arg, ArgMatches, Command, CommandFactory, FromArgMatches,
    builder::{OsStr, Resettable},
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

use super::args::Cli;

/// A command line that was understood.
pub(super) struct Line {
    /// What it says.
    pub(super) cli: Cli,
    /// What variables have to do with it.
    pub(super) variables: Vec<Variable>,
}

/// A variable that stands for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    flag: String,
    name: String,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It says what the flag is.
    Speaks,
    /// It is there, and empty.
    Empty,
}

impl Variable {
    /// What to know of it when a message is about its flag.
    pub(super) fn note(&self, message: &str) -> Option<String> {
        let Self { flag, name, role } = self;
        // `--node` is not meant where `--nodegroup` stands.
        let whole = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        if !message.match_indices(flag.as_str()).any(|(at, _)| whole(&message[at + flag.len()..])) {
            return None;
        }
        Some(match role {
            Role::Speaks => format!("{flag} comes from the variable {name}"),
            Role::Empty => format!("the variable {name} is empty, which counts as not set"),
        })
    }
}

/// Reads the command line, and the variables for what it leaves open.
///
/// # Errors
/// What clap has to say: a mistake, or a help text that was asked for.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Line, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let all = Cli::command();
    let command = without(&all, is_empty);
    let matches = command.clone().try_get_matches_from(&words).map_err(|error| blame(error, &command, &words))?;
    let variables = roles(&all, &matches);
    Ok(Line { cli: Cli::from_arg_matches(&matches)?, variables })
}

/// The command line as it is without these variables.
fn without(command: &Command, unwanted: impl Fn(&Arg) -> bool) -> Command {
    let forget = |arg: Arg| if unwanted(&arg) { arg.env(Resettable::<OsStr>::Reset) } else { arg };
    command.clone().mut_args(forget).mut_subcommands(|subcommand| subcommand.mut_args(forget))
}

fn is_empty(arg: &Arg) -> bool {
    value(arg).is_some_and(|value| value.is_empty())
}

fn value(arg: &Arg) -> Option<OsString> {
    std::env::var_os(arg.get_env()?)
}

/// Names the variable in an error about the value that came from it.
fn blame(mut error: clap::Error, command: &Command, words: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(culprit)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(name) = variable_of(command, culprit) else { return error };
    // With the flag on the command line its variable is not asked, and the mistake remains without it.
    let without = without(command, |arg| arg.get_env() == Some(name.as_os_str()));
    let remains = without.try_get_matches_from(words).is_err_and(|other| {
        let same = |kind| other.get(kind) == error.get(kind);
        same(ContextKind::InvalidArg) && same(ContextKind::InvalidValue)
    });
    if !remains {
        error.insert(ContextKind::InvalidArg, ContextValue::String(name.display().to_string()));
    }
    error
}

/// The variable of the flag that clap calls so (`--max-surge <N|N%>`), if it is set.
fn variable_of(command: &Command, title: &str) -> Option<OsString> {
    // Only a command that was built knows the titles of its flags.
    let mut built = command.clone();
    built.build();
    let mut args = built.get_arguments().chain(built.get_subcommands().flat_map(Command::get_arguments));
    let culprit = args.find(|arg| arg.to_string() == title && value(arg).is_some())?;
    culprit.get_env().map(OsString::from)
}

fn roles(all: &Command, matches: &ArgMatches) -> Vec<Variable> {
    let Some((name, matches)) = matches.subcommand() else { return Vec::new() };
    let args = all.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    args.filter_map(|arg| {
        let role = match matches.value_source(arg.get_id().as_str()) {
            Some(ValueSource::EnvVariable) => Role::Speaks,
            Some(ValueSource::CommandLine) => return None,
            _ if is_empty(arg) => Role::Empty,
            _ => return None,
        };
        Some(Variable { flag: format!("--{}", arg.get_long()?), name: arg.get_env()?.display().to_string(), role })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_made_where_the_whole_flag_is_named() {
        let variable = |role| Variable { flag: "--node".to_owned(), name: "MNGUP_NODE".to_owned(), role };
        let note = |message| variable(Role::Speaks).note(message);
        assert_eq!(note("--node \"a/b\" is no node").unwrap(), "--node comes from the variable MNGUP_NODE");
        assert_eq!(note("which group? --nodegroup is missing"), None);
        assert_eq!(note("--nodegroup and --node"), note("--node"));
        let empty = variable(Role::Empty).note("--node is missing").unwrap();
        assert_eq!(empty, "the variable MNGUP_NODE is empty, which counts as not set");
    }
}
