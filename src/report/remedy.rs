//! What the user can do about something that stands in the way, as commands to paste.

use super::{commands::Commands, wording};
use crate::engine::waiting::{BudgetView, WaitingOn};

/// What stands in the way, in one sentence.
#[must_use]
pub fn headline(on: &WaitingOn) -> String {
    match on {
        WaitingOn::Budget(view) if view.never => format!("{} can never allow an eviction", view.pdb),
        WaitingOn::Budget(view) => format!("{} allows no eviction now", view.pdb),
        WaitingOn::TwoBudgets { pod, .. } => format!("two budgets count {pod}"),
        WaitingOn::Unmanaged { pod } => format!("{pod} has no controller"),
        WaitingOn::Refused { pod, .. } => format!("the server refuses to evict {pod}"),
        WaitingOn::LandsBack { .. } => "pods come back onto the cordoned node".to_owned(),
        WaitingOn::Launch { .. } => "the group launched no instance".to_owned(),
        WaitingOn::PodsStopping { .. }
        | WaitingOn::PodsOverdue { .. }
        | WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::InstanceLeaving { .. }
        | WaitingOn::Join { .. }
        | WaitingOn::NodeReady { .. }
        | WaitingOn::DaemonSets { .. }
        | WaitingOn::ExtendedResources { .. }
        | WaitingOn::NodeTaint { .. }
        | WaitingOn::WrongTemplate { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => format!("waited for {}", wording::title(on)),
    }
}

/// Commands that clear it away, the gentlest first.
#[must_use]
pub fn commands(on: &WaitingOn, ours: &Commands) -> Vec<String> {
    match on {
        WaitingOn::Budget(view) if view.never => relax(view, ours),
        WaitingOn::Budget(view) => {
            let (ns, unready) = (&view.pdb.namespace, view.unready.first());
            match unready.and_then(|text| text.split_whitespace().next()) {
                Some(pod) => vec![
                    ours.kubectl(&format!("-n {ns} describe pod/{pod}   # why it is not Ready")),
                    ours.kubectl(&format!("-n {ns} logs pod/{pod} --previous")),
                ],
                None => vec![ours.kubectl(&format!("-n {ns} describe pdb/{}", view.pdb.name))],
            }
        }
        WaitingOn::TwoBudgets { pdbs, .. } => {
            let first = "# one budget a pod: change a selector, or delete one of them:".to_owned();
            let delete = pdbs.iter().map(|pdb| ours.kubectl(&format!("-n {} delete pdb/{}", pdb.namespace, pdb.name)));
            std::iter::once(first).chain(delete).collect()
        }
        WaitingOn::Unmanaged { pod } => vec![
            ours.kubectl(&format!("-n {} delete pod/{}   # it does not come back", pod.namespace, pod.name)),
            format!("{}   # the same for all of them", ours.begin("--delete-unmanaged")),
        ],
        WaitingOn::PodsOverdue { pods, .. } => pods
            .iter()
            .take(3)
            .map(|pod| {
                ours.kubectl(&format!(
                    "-n {} get pod/{} -o yaml   # metadata.finalizers, status",
                    pod.namespace, pod.name
                ))
            })
            .collect(),
        WaitingOn::Refused { pod, .. } => {
            vec![ours.kubectl(&format!("-n {} describe pod/{}", pod.namespace, pod.name))]
        }
        WaitingOn::LandsBack { pod, .. } => vec![ours.kubectl(&format!(
            "-n {} get pod/{} -o jsonpath='{{.spec.tolerations}}'   # take the toleration out of its controller",
            pod.namespace, pod.name
        ))],
        WaitingOn::NodeReady { node, .. } | WaitingOn::NodeTaint { node, .. } => {
            vec![ours.kubectl(&format!("describe node/{node}"))]
        }
        WaitingOn::DaemonSets { node, .. } => {
            vec![ours.kubectl(&format!("get pods -A --field-selector spec.nodeName={node}"))]
        }
        WaitingOn::ExtendedResources { node, .. } => {
            vec![ours.kubectl(&format!("get node/{node} -o jsonpath='{{.status.allocatable}}'"))]
        }
        WaitingOn::Join { instance, .. } => vec![ours.aws(&format!(
            "ec2 get-console-output --instance-id {instance} --latest --output text   # what its bootstrap says"
        ))],
        WaitingOn::Launch { failure: Some(failure) } => launch(failure, ours),
        WaitingOn::Launch { failure: None }
        | WaitingOn::WrongTemplate { .. }
        | WaitingOn::InstanceLeaving { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::PodsStopping { .. }
        | WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => Vec::new(),
    }
}

/// What to do about a launch that failed, by Auto Scaling's own words; each leads to where the cause can be seen.
fn launch(failure: &str, ours: &Commands) -> Vec<String> {
    let says = |words: &[&str]| words.iter().any(|word| failure.contains(word));
    let word = |prefix: &str| {
        let words = failure.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.into_iter().find(|word| word.starts_with(prefix)).unwrap_or(prefix).to_owned()
    };
    if says(&["InsufficientFreeAddresses", "free addresses"]) {
        let subnet = word("subnet-");
        let query = "--query 'Subnets[].AvailableIpAddressCount'";
        vec![
            "# free addresses there, or give the group a subnet that has some; the group then launches by itself"
                .to_owned(),
            ours.aws(&format!("ec2 describe-subnets --subnet-ids {subnet} {query}")),
        ]
    } else if says(&["VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "limit"]) {
        vec![
            ours.aws("service-quotas list-service-quotas --service-code ec2   # ask for more, or stop other instances"),
        ]
    } else if says(&["InsufficientInstanceCapacity", "capacity"]) {
        vec!["add instance types or zones to the group, or wait: AWS has none of these there now".to_owned()]
    } else {
        vec![ours.aws("autoscaling describe-scaling-activities --max-items 5   # what was tried, and what AWS said")]
    }
}

/// Behind a command that takes the remedy back.
const PUTS_BACK: &str = "   # puts it back, once the pods have moved";

/// Whether this command is for afterwards: run with the others it would undo them.
#[must_use]
pub fn is_for_later(command: &str) -> bool {
    command.ends_with(PUTS_BACK)
}

/// Lets one pod go, and says what to put back.
fn relax(view: &BudgetView, ours: &Commands) -> Vec<String> {
    let (ns, name) = (&view.pdb.namespace, &view.pdb.name);
    let patch = |field: &str, value: &str| {
        ours.kubectl(&format!("-n {ns} patch pdb/{name} --type=merge -p '{{\"spec\":{{\"{field}\":{value}}}}}'"))
    };
    let Some((field, said)) = view.rule.split_once(' ') else {
        return vec![ours.kubectl(&format!("-n {ns} edit pdb/{name}"))];
    };
    let back = if said.ends_with('%') { format!("\"{said}\"") } else { said.to_owned() };
    let enough = match field {
        "maxUnavailable" => "1".to_owned(),
        _ => (view.expected - 1).max(0).to_string(),
    };
    vec![patch(field, &enough), format!("{}{PUTS_BACK}", patch(field, &back))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_launch_that_failed_has_a_next_step() {
        let first = |failure: &str| {
            let on = WaitingOn::Launch { failure: Some(failure.to_owned()) };
            commands(&on, &Commands::sandbox(None)).pop().unwrap()
        };
        let subnet = "There are not enough free addresses in subnet 'subnet-0a1b' to satisfy it.";
        assert!(first(subnet).contains("--subnet-ids subnet-0a1b "));
        assert!(first("You have requested more vCPU capacity than your current vCPU limit").contains("service-quotas"));
        assert!(first("We currently do not have sufficient m6i.large capacity").contains("instance types or zones"));
        assert!(first("Something else").contains("describe-scaling-activities"));
    }
}
