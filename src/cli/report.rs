//! `mngup report`.

use std::path::{Path, PathBuf};

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
    let group = group(args)?;
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => newest(args, group.as_ref())?,
    };
    let recorded = journal::read(&path)?;
    is_of(args, group.as_ref(), &path, &recorded.header)?;
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

/// The group that was named, if one was.
fn group(args: &ReportArgs) -> Result<Option<GroupName>, CliError> {
    match (&args.nodegroup, &args.asg) {
        (Some(nodegroup), Some(asg)) => Err(CliError::two_groups(nodegroup, asg)),
        (Some(name), None) => Ok(Some(GroupName::Nodegroup(NodegroupName::new(name)))),
        (None, Some(name)) => Ok(Some(GroupName::Asg(AsgName::new(name)))),
        (None, None) => Ok(None),
    }
}

/// Whether a journal that was named is of what was named beside it.
fn is_of(args: &ReportArgs, group: Option<&GroupName>, path: &Path, header: &Header) -> Result<(), CliError> {
    let flag = match group {
        Some(GroupName::Nodegroup(_)) => "--nodegroup",
        Some(GroupName::Asg(_)) | None => "--asg",
    };
    let cluster = args.cluster.as_deref().filter(|name| *name != header.cluster.as_str());
    let group = group.filter(|group| **group != header.group);
    let other = match (cluster, group) {
        (None, None) => return Ok(()),
        (Some(cluster), _) => format!("--cluster {cluster}"),
        (None, Some(group)) => format!("{flag} {}", group.name()),
    };
    let whose = format!("cluster/{} {}", header.cluster, header.group);
    Err(CliError::usage(format!("{} is a journal of {whose}, and not of {other}", path.display()))
        // A flag beats the variable that may have said it.
        .next(format!(
            "{}{}",
            Commands::report(Some(path)),
            cluster.map_or_else(String::new, |_| format!(" -c {}", header.cluster))
        ))
        .next("leave the journal out: the newest of what the flags name is read"))
}

fn newest(args: &ReportArgs, group: Option<&GroupName>) -> Result<PathBuf, CliError> {
    let cluster = args.cluster.as_deref().map(ClusterName::new);
    let home = journal::state_home(|name| std::env::var_os(name)).ok_or_else(|| {
        CliError::usage("there is no home folder to look for journals in").next("mngup report JOURNAL")
    })?;
    // Who has tried nothing but the sandbox means that.
    let found = journal::latest(&home, cluster.as_ref(), group)
        .and_then(|real| match real {
            Some(path) => Ok(Some(path)),
            None => journal::latest_in_sandbox(&home, cluster.as_ref(), group),
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
