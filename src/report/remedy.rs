//! What the user can do about something that stands in the way, as commands to paste.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{commands::Commands, fit, wording};
use crate::{
    domain::{PdbRef, PodRef},
    engine::waiting::{BudgetView, WaitingOn},
};

/// One step of a remedy. As text it is a line of a shell, and all lines together can be pasted: what must not be run
/// with the others is a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something to know, or to do by hand.
    Say(String),
    /// A command that only some need.
    Perhaps(String),
    /// A command.
    Run(String),
    /// A command instead of the one before.
    Or(String),
    /// A command that takes the ones before back, once they have done what they are for.
    Later(String),
}

/// Over a command that takes the remedy back.
const PUTS_BACK: &str = "puts it back, once the pods have moved:";

impl Step {
    /// The command of this step, if it has one.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Say(_) => None,
            Self::Perhaps(command) | Self::Run(command) | Self::Or(command) | Self::Later(command) => Some(command),
        }
    }

    /// The lines of this step where all steps are pasted together.
    pub(super) fn pasted(&self, width: usize) -> Vec<String> {
        match self {
            Self::Say(words) => comment(words, width),
            Self::Perhaps(_) | Self::Run(_) | Self::Or(_) | Self::Later(_) => vec![self.to_string()],
        }
    }

    /// The lines of this step on its own: words are broken to fit the width, a command stands whole on a line of its own.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        match self {
            Self::Say(words) => comment(words, width),
            Self::Perhaps(command) => vec![format!("# {command}")],
            Self::Run(command) | Self::Or(command) => vec![command.clone()],
            Self::Later(command) => comment(PUTS_BACK, width).into_iter().chain([command.clone()]).collect(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(text) | Self::Perhaps(text) => write!(f, "# {text}"),
            Self::Run(command) => f.write_str(command),
            Self::Or(command) => write!(f, "# or: {command}"),
            Self::Later(command) => write!(f, "# later: {command}"),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Words that a shell passes over.
fn comment(words: &str, width: usize) -> Vec<String> {
    let lines = fit::wrap(words, width.saturating_sub(2), usize::MAX);
    lines.into_iter().map(|line| format!("# {line}")).collect()
}

/// The rows of a remedy, each with its head: what is to be done, what instead of it, and what later.
pub(super) fn rows(steps: &[Step], width: usize) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let first = if index == 0 { "fix" } else { "" };
        let head = match step {
            Step::Or(_) => "or",
            Step::Later(_) => "later",
            Step::Run(_) if matches!(steps.get(index + 1), Some(Step::Or(_))) => "either",
            Step::Say(_) | Step::Perhaps(_) | Step::Run(_) => first,
        };
        rows.extend(step.lines(width).into_iter().enumerate().map(|(n, line)| (if n == 0 { head } else { "" }, line)));
    }
    rows
}

/// What stands in the way, in one sentence.
#[must_use]
pub fn headline(on: &WaitingOn) -> String {
    match on {
        WaitingOn::Budget(view) if view.never => format!("{} can never allow an eviction", view.pdb),
        WaitingOn::Budget(view) => format!("{} allows no eviction now", view.pdb),
        WaitingOn::TwoBudgets { pdbs, .. } => format!("{} count the same pods", wording::budgets(pdbs)),
        WaitingOn::Unmanaged { .. } => "pods without a controller".to_owned(),
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

/// Steps that clear it away, the gentlest first.
#[must_use]
pub fn steps(on: &WaitingOn, ours: &Commands) -> Vec<Step> {
    let say = |words: &str| Step::Say(words.to_owned());
    let kubectl = |rest: &str| Step::Run(ours.kubectl(rest));
    match on {
        WaitingOn::Budget(view) if view.never => relax(view, ours),
        WaitingOn::Budget(view) => {
            let (ns, unready) = (&view.pdb.namespace, view.unready.first());
            match unready.and_then(|text| text.split_whitespace().next()) {
                Some(pod) => vec![
                    say(&format!("why {pod} is not Ready:")),
                    kubectl(&format!("-n {ns} describe pod/{pod}")),
                    kubectl(&format!("-n {ns} logs pod/{pod} --previous")),
                ],
                None => vec![kubectl(&format!("-n {ns} describe pdb/{}", view.pdb.name))],
            }
        }
        WaitingOn::TwoBudgets { pdbs, .. } => {
            let delete = |pdb: &PdbRef| ours.kubectl(&format!("-n {} delete pdb/{}", pdb.namespace, pdb.name));
            let either = pdbs.iter().take(1).map(|pdb| Step::Run(delete(pdb)));
            let or = pdbs.iter().skip(1).map(|pdb| Step::Or(delete(pdb)));
            let one = say("one budget a pod: change the selector of one of them, or delete it:");
            std::iter::once(one).chain(either).chain(or).collect()
        }
        WaitingOn::Unmanaged { pod } => vec![
            say("it does not come back: delete it, or allow that for all such pods:"),
            kubectl(&format!("-n {} delete pod/{}", pod.namespace, pod.name)),
            Step::Or(ours.begin("--delete-unmanaged")),
        ],
        WaitingOn::PodsOverdue { pods, .. } => {
            let look = |pod: &PodRef| kubectl(&format!("-n {} get pod/{} -o yaml", pod.namespace, pod.name));
            std::iter::once(say("what holds them is in metadata.finalizers and status:"))
                .chain(pods.iter().take(3).map(look))
                .collect()
        }
        WaitingOn::Refused { pod, .. } => {
            vec![kubectl(&format!("-n {} describe pod/{}", pod.namespace, pod.name))]
        }
        WaitingOn::LandsBack { pod, toleration, owner: Some(owner), .. } => vec![
            say(&format!("it tolerates {toleration}: change that in its template (spec.template.spec):")),
            kubectl(&format!("-n {} edit {owner}", pod.namespace)),
        ],
        WaitingOn::LandsBack { pod, toleration, owner: None, .. } => vec![
            say(&format!("it tolerates {toleration}: change that in its controller, which is:")),
            kubectl(&format!(
                "-n {} get pod/{} -o jsonpath='{{.metadata.ownerReferences[*].kind}}/{{.metadata.ownerReferences[*].name}}'",
                pod.namespace, pod.name
            )),
        ],
        WaitingOn::NodeReady { node, .. } | WaitingOn::NodeTaint { node, .. } => {
            vec![kubectl(&format!("describe node/{node}"))]
        }
        WaitingOn::DaemonSets { node, .. } => {
            vec![kubectl(&format!("get pods -A --field-selector spec.nodeName={node}"))]
        }
        WaitingOn::ExtendedResources { node, .. } => {
            vec![kubectl(&format!("get node/{node} -o jsonpath='{{.status.allocatable}}'"))]
        }
        WaitingOn::Join { instance, .. } => vec![
            say("what its bootstrap says:"),
            Step::Run(ours.aws(&format!("ec2 get-console-output --instance-id {instance} --latest --output text"))),
        ],
        WaitingOn::Launch { failure: Some(failure) } => launch(failure, ours),
        WaitingOn::Launch { failure: None } => vec![activities(ours)],
        WaitingOn::WrongTemplate { .. }
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
fn launch(failure: &str, ours: &Commands) -> Vec<Step> {
    let says = |words: &[&str]| words.iter().any(|word| failure.contains(word));
    let word = |prefix: &str| {
        let words = failure.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.into_iter().find(|word| word.starts_with(prefix)).unwrap_or(prefix).to_owned()
    };
    let say = |words: &str| Step::Say(words.to_owned());
    if says(&["InsufficientFreeAddresses", "free addresses"]) {
        let subnet = word("subnet-");
        let query = "--query 'Subnets[].AvailableIpAddressCount'";
        vec![
            say("free addresses there, or give the group a subnet that has some; the group then launches by itself"),
            Step::Run(ours.aws(&format!("ec2 describe-subnets --subnet-ids {subnet} {query}"))),
        ]
    } else if says(&["VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "limit"]) {
        vec![
            say("ask for more, or stop other instances:"),
            Step::Run(ours.aws("service-quotas list-service-quotas --service-code ec2")),
        ]
    } else if says(&["InsufficientInstanceCapacity", "capacity"]) {
        vec![say("add instance types or zones to the group, or wait: AWS has none of these there now")]
    } else {
        vec![say("what was tried, and what AWS said:"), activities(ours)]
    }
}

/// Shows what Auto Scaling tried last.
fn activities(ours: &Commands) -> Step {
    let of = ours.auto_scaling_group().map_or_else(String::new, |asg| format!(" --auto-scaling-group-name {asg}"));
    Step::Run(ours.aws(&format!("autoscaling describe-scaling-activities{of} --max-items 5")))
}

/// Lets one pod go, and says what to put back.
fn relax(view: &BudgetView, ours: &Commands) -> Vec<Step> {
    let (ns, name) = (&view.pdb.namespace, &view.pdb.name);
    let patch = |field: &str, value: &str| {
        ours.kubectl(&format!("-n {ns} patch pdb/{name} --type=merge -p '{{\"spec\":{{\"{field}\":{value}}}}}'"))
    };
    let Some((field, said)) = view.rule.split_once(' ') else {
        return vec![Step::Run(ours.kubectl(&format!("-n {ns} edit pdb/{name}")))];
    };
    let back = if said.ends_with('%') { format!("\"{said}\"") } else { said.to_owned() };
    let enough = match field {
        "maxUnavailable" => "1".to_owned(),
        _ => (view.expected - 1).max(0).to_string(),
    };
    vec![Step::Run(patch(field, &enough)), Step::Later(patch(field, &back))]
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::fixtures::{pod, prod};

    fn shown(on: &WaitingOn) -> String {
        let rows = rows(&steps(on, &prod()), 62).into_iter();
        rows.map(|(head, line)| format!("{head:<6} {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_launch_that_failed_has_a_next_step() {
        let shown = |failure: &str| shown(&WaitingOn::Launch { failure: Some(failure.to_owned()) });
        assert_snapshot!(shown("There are not enough free addresses in subnet 'subnet-0a1b' to satisfy it."), @"
        fix    # free addresses there, or give the group a subnet that has
               # some; the group then launches by itself
               aws ec2 describe-subnets --subnet-ids subnet-0a1b --query 'Subnets[].AvailableIpAddressCount'
        ");
        assert_snapshot!(shown("You have requested more vCPU capacity than your current vCPU limit"), @"
        fix    # ask for more, or stop other instances:
               aws service-quotas list-service-quotas --service-code ec2
        ");
        assert_snapshot!(shown("We currently do not have sufficient m6i.large capacity"), @"
        fix    # add instance types or zones to the group, or wait: AWS has
               # none of these there now
        ");
        assert_snapshot!(shown("Something else"), @"
        fix    # what was tried, and what AWS said:
               aws autoscaling describe-scaling-activities --auto-scaling-group-name eks-apps-8ac7 --max-items 5
        ");
    }

    #[test]
    fn what_would_undo_another_command_is_told_as_its_alternative_and_is_not_pasted_with_it() {
        let pdb = |name: &str| PdbRef { namespace: "shop".to_owned(), name: name.to_owned() };
        let on = WaitingOn::TwoBudgets { pod: pod("cart-1"), pdbs: vec![pdb("cart"), pdb("tier")] };
        assert_snapshot!(shown(&on), @"
        fix    # one budget a pod: change the selector of one of them, or
               # delete it:
        either kubectl -n shop delete pdb/cart
        or     kubectl -n shop delete pdb/tier
        ");
        assert_snapshot!(shown(&WaitingOn::Unmanaged { pod: pod("shell") }), @"
        fix    # it does not come back: delete it, or allow that for all such
               # pods:
        either kubectl -n shop delete pod/shell
        or     mngup upgrade -c prod -n apps --delete-unmanaged
        ");
        let pasted: Vec<_> = steps(&on, &prod()).iter().map(ToString::to_string).collect();
        assert_snapshot!(pasted.join("\n"), @"
        # one budget a pod: change the selector of one of them, or delete it:
        kubectl -n shop delete pdb/cart
        # or: kubectl -n shop delete pdb/tier
        ");
    }

    #[test]
    fn pods_that_come_back_are_traced_to_their_controller() {
        let toleration = "operator: Exists, without a key".to_owned();
        let owner = crate::domain::Owner { kind: "Deployment".to_owned(), name: "agent".to_owned() };
        let back =
            |owner| WaitingOn::LandsBack { pod: pod("agent-1"), times: 3, toleration: toleration.clone(), owner };
        assert_snapshot!(shown(&back(Some(owner))), @"
        fix    # it tolerates operator: Exists, without a key: change that in
               # its template (spec.template.spec):
               kubectl -n shop edit deployment/agent
        ");
        let on = back(None);
        assert_snapshot!(shown(&on), @"
        fix    # it tolerates operator: Exists, without a key: change that in
               # its controller, which is:
               kubectl -n shop get pod/agent-1 -o jsonpath='{.metadata.ownerReferences[*].kind}/{.metadata.ownerReferences[*].name}'
        ");
    }
}
