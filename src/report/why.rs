//! What a wait is to all that it holds, and what it was when patience ended.

use jiff::Timestamp;

use super::{names::Names, wording};
use crate::{
    domain::PodRef,
    engine::waiting::{About, WaitingOn},
};

/// What is waited for, without whom it holds: that is told beside it.
pub(super) fn cause_for_all(on: &WaitingOn, names: &Names, now: Timestamp) -> String {
    match on.about() {
        About::Budgets { pdbs, .. } if pdbs.len() > 1 => {
            format!("{} count the same pods, and the eviction API refuses that for ever", wording::budgets(pdbs))
        }
        About::BarePod(_) => "no controller would bring them back, and --delete-unmanaged was not given".to_owned(),
        About::Budgets { .. }
        | About::Eviction { .. }
        | About::Stopping(_)
        | About::Comeback { .. }
        | About::Launch
        | About::Group
        | About::Instance(_)
        | About::Departure { .. }
        | About::NewNode(_)
        | About::Nothing => wording::cause(on, names, now),
    }
}

/// The pods that it holds where the same may hold others too.
pub(super) fn holds(on: &WaitingOn) -> &[PodRef] {
    match on.about() {
        About::Budgets { pods, .. } => pods,
        About::BarePod(pod) => std::slice::from_ref(pod),
        About::Eviction { .. }
        | About::Stopping(_)
        | About::Comeback { .. }
        | About::Launch
        | About::Group
        | About::Instance(_)
        | About::Departure { .. }
        | About::NewNode(_)
        | About::Nothing => &[],
    }
}

/// Why patience ended with it, as a sentence of its own.
pub(super) fn why(on: &WaitingOn, names: &Names, now: Timestamp) -> String {
    match on {
        WaitingOn::Budget(view) => wording::arithmetic(view, names),
        WaitingOn::TwoBudgets { .. } => {
            "the eviction API refuses a pod that more than one budget counts, now and always".to_owned()
        }
        WaitingOn::Launch { failure: None } => "no launch was seen, and none that failed".to_owned(),
        WaitingOn::Launch { failure: Some(failure) } => format!("the last launch failed: {failure}"),
        WaitingOn::Join { instance, lifecycle } => {
            format!("{instance} was launched and has not joined the cluster ({lifecycle})")
        }
        WaitingOn::NodeReady { node, reason } => {
            let reason = if reason.is_empty() { String::new() } else { format!(" ({})", names.shorten(reason)) };
            format!("{} has joined and is not Ready{reason}", names.short(node))
        }
        WaitingOn::DaemonSets { node, missing } => {
            format!("{} is Ready, but not the pods there of {}", names.short(node), wording::list(missing))
        }
        WaitingOn::ExtendedResources { node, missing } => {
            format!("{} is Ready and does not offer {}", names.short(node), wording::list(missing))
        }
        WaitingOn::NodeTaint { node, taint } => format!("{} still has the taint {taint}", names.short(node)),
        WaitingOn::WrongTemplate { instance, has } => {
            format!("{instance} came from {has}, and not from what the group launches")
        }
        WaitingOn::InstanceLeaving { lifecycle, .. } => format!("its instance has not left the group ({lifecycle})"),
        WaitingOn::PodsStopping { pods, .. } => {
            format!("asked to leave, and still there: {}", wording::pod_names(pods))
        }
        WaitingOn::Unmanaged { .. } => cause_for_all(on, names, now),
        WaitingOn::PodsOverdue { .. } | WaitingOn::Refused { .. } | WaitingOn::LandsBack { .. } => {
            wording::cause(on, names, now)
        }
        WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => format!("it still waited for {}", wording::cause(on, names, now)),
    }
}
