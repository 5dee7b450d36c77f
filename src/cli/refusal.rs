//! Why no run begins, and what to do about it.

use super::{error::CliError, suggest};
use crate::{app, plan::Objection, report::Commands};

/// The refusal as the user reads it: what must be done, all of it, and the command that then begins the run.
pub(super) fn refusal(refused: app::Refused, asked: &app::Request, commands: &Commands, dry_run: bool) -> CliError {
    match refused {
        app::Refused::Objections { objections, asg, nodes } => {
            let unknown = objections.iter().find_map(|objection| match objection {
                Objection::NoSuchNodes(names) => Some(names),
                Objection::Updating
                | Objection::NotActive(_)
                | Objection::Suspended(_)
                | Objection::InstanceRefresh(_)
                | Objection::Operator(_)
                | Objection::NoLaunchTemplate
                | Objection::NotInstances(_) => None,
            });
            if let ([_], Some(unknown)) = (objections.as_slice(), unknown) {
                return no_such_nodes(unknown, &nodes, asked, commands, dry_run);
            }
            let reasons: Vec<_> = objections.iter().map(ToString::to_string).collect();
            let error = CliError::refused(format!("{}: {}", asked.group, reasons.join("; ")));
            let error =
                objections.iter().fold(error, |error, objection| error.and(remedy(objection, &asg, asked, commands)));
            // Whatever else is mended, mngup may not upgrade a group that a service operates.
            if objections.iter().any(|objection| matches!(objection, Objection::Operator(_))) {
                return error;
            }
            error.then(commands.begin(if dry_run { "--dry-run" } else { "" }))
        }
        app::Refused::Contradiction(contradiction) => contradiction.into(),
        app::Refused::Limits(error) => {
            CliError::usage(error.to_string()).next("add --max-surge 1, or let one node be out")
        }
        app::Refused::Port(error) => error.into(),
    }
}

/// What to do about it, where the user said that the group is.
fn remedy(objection: &Objection, asg: &str, asked: &app::Request, commands: &Commands) -> String {
    let nodegroup = |verb: &str, cluster: &str, why: &str| {
        let (cluster_name, name) = (&asked.cluster, asked.group.name());
        commands.aws(&format!("eks {verb} {cluster} {cluster_name} --nodegroup-name {name}   # {why}"))
    };
    match objection {
        Objection::Updating => nodegroup("list-updates", "--name", "wait until EKS is done with what this shows"),
        Objection::NotActive(_) => nodegroup("describe-nodegroup", "--cluster-name", "look at its health"),
        Objection::NoSuchNodes(_) => commands.kubectl("get nodes   # shows the names"),
        Objection::Suspended(_)
        | Objection::InstanceRefresh(_)
        | Objection::Operator(_)
        | Objection::NoLaunchTemplate
        | Objection::NotInstances(_) => {
            let remedy = objection.remedy(asg);
            remedy.strip_prefix("aws ").map_or_else(|| remedy.clone(), |rest| commands.aws(rest))
        }
    }
}

/// Names the nodes that there are, and the command that was probably meant.
fn no_such_nodes(
    unknown: &[String],
    nodes: &[String],
    asked: &app::Request,
    commands: &Commands,
    dry_run: bool,
) -> CliError {
    let none = format!("{} has no node {}", asked.group, quoted(unknown));
    let mut settings = asked.settings.clone();
    let mut meant = true;
    let only = settings.only.iter().flatten().map(|name| {
        if !unknown.iter().any(|unknown| unknown == name.as_str()) {
            return name.clone();
        }
        let near = suggest::nearest_node(name.as_str(), nodes);
        meant &= near.is_some();
        near.map_or_else(|| name.clone(), Into::into)
    });
    settings.only = Some(only.collect());
    let has = match nodes {
        [] => return CliError::refused(none).next(commands.kubectl("get nodes   # shows the names")),
        few if few.len() <= NAMED => suggest::sorted(few).join(", "),
        many => format!("{}, +{}", suggest::sorted(many)[..NAMED].join(", "), many.len() - NAMED),
    };
    let error = CliError::refused(format!("{none}; it has {has}"));
    if meant {
        let again = commands.clone().with(settings.words());
        error.next(again.begin(if dry_run { "--dry-run" } else { "" }))
    } else {
        error
    }
}

/// So many names fit on two lines.
const NAMED: usize = 4;

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
