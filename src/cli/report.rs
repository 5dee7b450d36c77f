//! `mngup report`.

use std::path::PathBuf;

use super::{
    answer::answer,
    args::{Form, ReportArgs},
    error::CliError,
    exit_code::ExitCode,
};
use crate::{
    domain::{AsgName, ClusterName, GroupName, NodegroupName},
    journal::{self, Header, JournalError, Recorded},
    report::{Commands, Screen, Summary},
};

/// Summarises a journal.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) fn report(args: &ReportArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => newest(args)?,
    };
    let recorded = journal::read(&path)?;
    answer(&render(&recorded, args.output, screen)?)?;
    Ok(ExitCode::Done)
}

fn render(recorded: &Recorded, form: Form, screen: &Screen) -> Result<String, CliError> {
    // The header knows it before the first record does.
    let summary = || {
        let Header { cluster, group, run, sandbox, .. } = recorded.header.clone();
        Summary {
            sandbox,
            cluster: Some(cluster),
            group: Some(group),
            run: Some(run),
            ..Summary::of(&recorded.records)
        }
    };
    let written = match form {
        Form::Human => Ok(summary().to_text(screen.width(), &screen.zone)),
        Form::Json => serde_json::to_string_pretty(&summary()).map(|text| text + "\n"),
        Form::Jsonl => {
            let records = recorded.records.iter().map(serde_json::to_string);
            let lines = std::iter::once(serde_json::to_string(&recorded.header)).chain(records);
            lines.map(|line| line.map(|line| line + "\n")).collect()
        }
    };
    written.map_err(|error| CliError::new(ExitCode::Unexpected, "cannot write the report").because(error))
}

fn newest(args: &ReportArgs) -> Result<PathBuf, CliError> {
    let cluster = args.cluster.as_deref().map(ClusterName::new);
    let group = match (&args.nodegroup, &args.asg) {
        (Some(name), _) => Some(GroupName::Nodegroup(NodegroupName::new(name))),
        (None, Some(name)) => Some(GroupName::Asg(AsgName::new(name))),
        (None, None) => None,
    };
    let home = journal::state_home(|name| std::env::var_os(name)).ok_or_else(|| {
        CliError::usage("there is no home folder to look for journals in").next("mngup report JOURNAL")
    })?;
    // Who has tried nothing but the sandbox means that.
    let found = journal::latest(&home, cluster.as_ref(), group.as_ref())
        .and_then(|real| match real {
            Some(path) => Ok(Some(path)),
            None => journal::latest_in_sandbox(&home, cluster.as_ref(), group.as_ref()),
        })
        .map_err(|error| CliError::usage(format!("cannot look for journals in {}", home.display())).because(error))?;
    found.ok_or_else(|| {
        let of = match (&cluster, &group) {
            (None, None) => String::new(),
            (Some(cluster), None) => format!(" of cluster/{cluster}"),
            (None, Some(group)) => format!(" of {group}"),
            (Some(cluster), Some(group)) => format!(" of cluster/{cluster} {group}"),
        };
        CliError::usage(format!("there is no journal{of} below {}", home.display()))
            .next("mngup report JOURNAL")
            .next(format!("{}   # reads the cluster instead of a journal", status(args)))
    })
}

/// `mngup status` for what the report was to be of; what it needs and was not said is left to be filled in.
fn status(args: &ReportArgs) -> String {
    let or = |name: &Option<String>, blank: &str| name.clone().unwrap_or_else(|| blank.to_owned());
    let group = match (&args.nodegroup, &args.asg) {
        (None, Some(asg)) => ["--asg".to_owned(), asg.clone()],
        (nodegroup, _) => ["-n".to_owned(), or(nodegroup, "NODEGROUP")],
    };
    let target = ["-c".to_owned(), or(&args.cluster, "CLUSTER")].into_iter().chain(group);
    Commands::new(target.collect()).status()
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let failure = Self::usage(error.to_string());
        match error {
            JournalError::Io { error, .. } => failure.because(error),
            JournalError::Newer { .. } => failure.next("update mngup"),
            JournalError::Damaged { line, path, .. } => failure
                .next(format!("look at it: sed -n {line}p {}   # the lines before it can be read", path.display())),
            JournalError::NotAFile { .. } | JournalError::NotAJournal { .. } | JournalError::OtherRun { .. } => {
                failure.next("name another file, or leave it out")
            }
        }
    }
}
