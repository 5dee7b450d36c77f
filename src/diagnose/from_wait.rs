//! What a wait alone tells: for journals that were written before runs told their diagnosis, and for what no rule found.

use super::launch_words;
use crate::{
    domain::{
        AsgName, By, Cause, Command, Finding, InstanceId, NodeName, Object, Owner, PdbRef, PodRef, Remedy, Sure, quoted,
    },
    engine::waiting::{BudgetView, WaitingOn},
};

/// The cause that this wait shows by itself, if it shows one. A wait does not tell what the Auto Scaling group is called.
#[must_use]
pub fn from_wait(on: &WaitingOn, asg: Option<&AsgName>) -> Option<Finding> {
    match on {
        WaitingOn::Budget(view) => Some(budget(view)),
        WaitingOn::TwoBudgets { pdbs, .. } => Some(two_budgets(pdbs)),
        WaitingOn::Unmanaged { pod } => Some(unmanaged(pod)),
        WaitingOn::LandsBack { pod, times, toleration, owner } => {
            Some(lands_back(pod, *times, toleration, owner.as_ref()))
        }
        WaitingOn::PodsOverdue { pods, finalizers } => pods.first().map(|pod| overdue(pod, finalizers)),
        WaitingOn::Refused { pod, message, .. } => Some(refused(pod, message)),
        WaitingOn::Launch { failure } => Some(launch(failure.as_deref(), asg)),
        WaitingOn::Join { instance, lifecycle } => Some(join(instance, lifecycle)),
        WaitingOn::NodeReady { node, reason } => Some(not_ready(node, reason)),
        WaitingOn::DaemonSets { node, missing } => Some(
            at_node(Cause::NodeDaemonset, node, format!("pods of DaemonSets on node/{node} are not Ready"))
                .by(By::Status, format!("not Ready there: {}", missing.join(", ")))
                .remedies(look("those pods", format!("get pods -A --field-selector spec.nodeName={node}"))),
        ),
        WaitingOn::ExtendedResources { node, missing } => Some(
            at_node(Cause::NodeResourceMissing, node, format!("node/{node} does not offer {}", missing.join(", ")))
                .by(By::Status, "it is Ready, and the node that it replaces had them")
                .remedies(look("what it offers", format!("get node/{node} -o jsonpath='{{.status.allocatable}}'"))),
        ),
        WaitingOn::NodeTaint { node, taint } => Some(tainted(node, taint)),
        WaitingOn::WrongTemplate { instance, has } => Some(
            Finding::new(
                Cause::InstanceWrongTemplate,
                Object::Instance(InstanceId::new(instance)),
                format!("{instance} does not come from what the group launches"),
            )
            .by(By::Status, format!("it came from {has}")),
        ),
        WaitingOn::InstanceLeaving { .. }
        | WaitingOn::PodsStopping { .. }
        | WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => None,
    }
}

/// By the words of the refusal, which is all that the wait keeps of it.
fn refused(pod: &PodRef, message: &str) -> Finding {
    let describe = Remedy::look(
        "what Kubernetes says of the pod",
        vec![kubectl(&pod.namespace, &format!("describe pod/{}", pod.name))],
    );
    let cause = if message.contains("failed calling webhook") {
        Cause::WebhookDown
    } else if message.contains("admission webhook") {
        Cause::WebhookDenies
    } else if message.contains("is being terminated") || message.contains("is terminating") {
        Cause::NamespaceTerminating
    } else if message.contains("forbidden") {
        Cause::RightsEvict
    } else {
        Cause::Unexplained
    };
    Finding::new(cause, Object::Pod(pod.clone()), format!("the server refuses to evict {pod}"))
        .by(By::Refusal, message)
        .remedies(vec![describe])
}

fn launch(failure: Option<&str>, asg: Option<&AsgName>) -> Finding {
    let of = asg.map_or_else(String::new, |asg| format!(" --auto-scaling-group-name {}", quoted(asg.as_str())));
    let tried = Command::Aws(format!("autoscaling describe-scaling-activities{of} --max-items 5"));
    let tried = Remedy::look("what was tried, and what AWS said", vec![tried]);
    let object = Object::Asg(asg.cloned().unwrap_or_else(|| AsgName::new("the group's")));
    let Some(failure) = failure else {
        return Finding::new(Cause::LaunchSilent, object, "the group launched no instance")
            .by(By::Absence, "no launch was seen, and none that failed")
            .remedies(vec![tried]);
    };
    let subnet =
        failure.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| word.starts_with("subnet-"));
    let addresses = subnet.map(|subnet| {
        let free = format!("ec2 describe-subnets --subnet-ids {subnet} --query 'Subnets[].AvailableIpAddressCount'");
        Remedy::look("how many addresses are free there", vec![Command::Aws(free)])
    });
    Finding::new(launch_words::cause(failure), object, "the group launched no instance")
        .by(By::Activity, failure)
        .remedies(addresses.into_iter().chain([tried]).collect())
}

fn join(instance: &str, lifecycle: &str) -> Finding {
    let object = Object::Instance(InstanceId::new(instance));
    if lifecycle == "Pending:Wait" {
        return Finding::new(Cause::HookHoldsLaunch, object, format!("a lifecycle hook holds {instance}"))
            .by(By::Status, format!("it is {lifecycle}"));
    }
    let console = format!("ec2 get-console-output --instance-id {instance} --latest --output text");
    Finding::new(Cause::InstanceNeverJoined, object, format!("{instance} was launched and has not joined the cluster"))
        .sure(Sure::Possible)
        .by(By::Status, format!("it is {lifecycle}, and no Node has its id"))
        .remedies(vec![Remedy::look("what its bootstrap says", vec![Command::Aws(console)])])
}

fn not_ready(node: &NodeName, reason: &str) -> Finding {
    let network = ["NetworkPluginNotReady", "cni plugin not initialized"].iter().any(|words| reason.contains(words));
    let cause = match reason {
        "" => Cause::KubeletSilent,
        _ if network => Cause::NodeCni,
        _ if reason.contains("container runtime is down") || reason.contains("PLEG") => Cause::NodeRuntime,
        _ => Cause::NodeNotReady,
    };
    let why = if reason.is_empty() { "its kubelet says nothing" } else { reason };
    at_node(cause, node, format!("node/{node} has joined and is not Ready"))
        .by(By::Status, why)
        .remedies(look("what it says of itself", format!("describe node/{node}")))
}

fn tainted(node: &NodeName, taint: &str) -> Finding {
    let describe = look("who put it there", format!("get node/{node} -o yaml --show-managed-fields"));
    let found = if taint == "cordoned" {
        at_node(Cause::NodeCordonedNew, node, format!("the new node/{node} is cordoned"))
    } else {
        at_node(Cause::NodeTaintStays, node, format!("the taint {taint} stays on the new node/{node}"))
    };
    found.by(By::Spec, "it is Ready, and pods are kept off it").remedies(describe)
}

fn at_node(cause: Cause, node: &NodeName, says: String) -> Finding {
    Finding::new(cause, Object::Node(node.clone()), says)
}

fn look(what: &str, run: String) -> Vec<Remedy> {
    vec![Remedy::look(what, vec![Command::Kubectl(run)])]
}

fn budget(view: &BudgetView) -> Finding {
    let BudgetView { pdb, rule, expected, desired, current, never, stale, unready, .. } = view;
    let object = Object::Pdb(pdb.clone());
    let look =
        Remedy::look("what the controller says", vec![kubectl(&pdb.namespace, &format!("describe pdb/{}", pdb.name))]);
    if *never {
        let ready = if *current == 1 { "1 is Ready".to_owned() } else { format!("{current} are Ready") };
        let pods = if *expected == 1 { "pod" } else { "pods" };
        let why = format!("{rule} of {expected} {pods} = {desired} must stay; {ready}; 0 may leave, now and always");
        return Finding::new(Cause::PdbNeverAllows, object, format!("{pdb} can never allow an eviction"))
            .by(By::Arithmetic, why)
            .remedies(vec![relax(view).unwrap_or(look)]);
    }
    if *stale {
        return Finding::new(Cause::PdbStatusBehind, object, format!("the last change of {pdb} was not looked at yet"))
            .by(By::Status, "its status is older than its spec, and nothing may leave until it is not")
            .remedies(vec![look]);
    }
    let (may, out) = (expected.saturating_sub(*desired), expected.saturating_sub(*current));
    let found = Finding::new(Cause::PdbExhausted, object, format!("{pdb} allows no eviction now")).by(
        By::Arithmetic,
        format!("{may} of {expected} may be out and {out} {}", if out == 1 { "is" } else { "are" }),
    );
    let found = unready.iter().fold(found, |found, pod| found.by(By::Status, pod.clone()));
    // `cart-1 on ip-10-0-1-7 not Ready (…)`
    let broken = unready.first().and_then(|text| text.split_whitespace().next());
    let look = broken.map_or(look, |pod| {
        let run = ["describe", "logs"].map(|verb| {
            let more = if verb == "logs" { " --previous" } else { "" };
            kubectl(&pdb.namespace, &format!("{verb} pod/{pod}{more}"))
        });
        Remedy::look(format!("why {pod} is not Ready"), run.into())
    });
    found.remedies(vec![look])
}

/// Lets one pod go, and puts back what was.
fn relax(view: &BudgetView) -> Option<Remedy> {
    let (field, was) = view.rule.split_once(' ')?;
    let patch = |value: &str| {
        let BudgetView { pdb: PdbRef { namespace, name }, .. } = view;
        kubectl(namespace, &format!("patch pdb/{name} --type=merge -p '{{\"spec\":{{\"{field}\":{value}}}}}'"))
    };
    let enough = match field {
        "maxUnavailable" => "1".to_owned(),
        _ => (view.expected - 1).max(0).to_string(),
    };
    let back = if was.ends_with('%') { format!("\"{was}\"") } else { was.to_owned() };
    let relax = Remedy::fix("let one pod leave at a time", vec![patch(&enough)], "one pod less for a while");
    Some(relax.back(vec![patch(&back)]))
}

fn two_budgets(pdbs: &[PdbRef]) -> Finding {
    let names: Vec<_> = pdbs.iter().map(ToString::to_string).collect();
    let delete = pdbs.iter().map(|pdb| {
        let delete = kubectl(&pdb.namespace, &format!("delete pdb/{}", pdb.name));
        Remedy::fix("leave the pods to the other", vec![delete], "pods that only it counts lose it")
    });
    let says = format!("{} count the same pods", names.join(" and "));
    Finding::new(Cause::TwoBudgets, Object::Budgets(pdbs.to_vec()), says)
        .by(By::Spec, "the eviction API refuses a pod that more than one budget counts, now and always")
        .remedies(delete.collect())
}

fn unmanaged(pod: &PodRef) -> Finding {
    let delete = kubectl(&pod.namespace, &format!("delete pod/{}", pod.name));
    let allow = Command::Upgrade("--delete-unmanaged".to_owned());
    Finding::new(Cause::BarePod, Object::Pod(pod.clone()), format!("{pod} has no controller"))
        .by(By::Spec, "nobody would bring it back, and --delete-unmanaged was not given")
        .remedies(vec![
            Remedy::fix("delete it", vec![delete], "it does not come back"),
            Remedy::fix("allow that for all such pods", vec![allow], "none of them comes back"),
        ])
}

fn lands_back(pod: &PodRef, times: u32, toleration: &str, owner: Option<&Owner>) -> Finding {
    let ns = &pod.namespace;
    let (object, remedy) = if let Some(owner) = owner {
        let risk = "rolls its pods; GitOps or an operator may put it back";
        let what = "take that toleration out of its template (spec.template.spec.tolerations)";
        let edit = vec![kubectl(ns, &format!("edit {owner}"))];
        (Object::Workload { namespace: ns.clone(), owner: owner.clone() }, Remedy::fix(what, edit, risk))
    } else {
        let look = vec![kubectl(ns, &format!("get pod/{} -o yaml", pod.name))];
        (Object::Pod(pod.clone()), Remedy::look("who makes it: metadata.ownerReferences", look))
    };
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    Finding::new(Cause::LandsBack, object.clone(), format!("pods of {object} come back onto the cordoned node"))
        .by(By::Seen, format!("{pod} came back {times}, the last one of them"))
        .by(By::Spec, format!("it tolerates {toleration}"))
        .remedies(vec![remedy])
}

fn overdue(pod: &PodRef, finalizers: &[String]) -> Finding {
    let object = Object::Pod(pod.clone());
    let look = vec![kubectl(&pod.namespace, &format!("get pod/{} -o yaml", pod.name))];
    let look = Remedy::look("what holds it is in metadata.finalizers and status", look);
    let found = if finalizers.is_empty() {
        Finding::new(Cause::StuckTerminating, object, format!("{pod} should be gone and is not"))
            .by(By::Status, "past its deletion, and the kubelet has not let go of it")
    } else {
        Finding::new(Cause::Finalizer, object, format!("{pod} is held by {}", finalizers.join(", ")))
            .by(By::Status, "past its deletion, and somebody else must let go of it first")
    };
    found.remedies(vec![look])
}

fn kubectl(namespace: &str, rest: &str) -> Command {
    Command::Kubectl(format!("-n {namespace} {rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(on: &WaitingOn) -> Option<&'static str> {
        from_wait(on, None).map(|finding| finding.cause.code())
    }

    fn pod() -> PodRef {
        PodRef { namespace: "shop".to_owned(), name: "cart-1".to_owned(), uid: "u1".into() }
    }

    #[test]
    fn what_the_server_said_tells_who_refuses() {
        let refused = |message: &str| WaitingOn::Refused { pod: pod(), message: message.to_owned(), refusal: None };
        let code = |message| code(&refused(message));
        assert_eq!(code("Internal error occurred: failed calling webhook \"guard\": timeout"), Some("WEBHOOK-DOWN"));
        assert_eq!(code("admission webhook \"guard\" denied the request: no"), Some("WEBHOOK-DENIES"));
        assert_eq!(code("namespace shop is being terminated"), Some("NAMESPACE-TERMINATING"));
        assert_eq!(code("pods \"cart-1\" is forbidden: User \"ann\" cannot create"), Some("RIGHTS-EVICT"));
        assert_eq!(code("teapot"), Some("UNEXPLAINED"));
    }

    #[test]
    fn what_does_not_come_is_told_by_its_state_and_its_words() {
        let launch = |failure: Option<&str>| code(&WaitingOn::Launch { failure: failure.map(str::to_owned) });
        assert_eq!(launch(None), Some("LAUNCH-SILENT"));
        assert_eq!(
            launch(Some("There are not enough free addresses in subnet 'subnet-0a1b'.")),
            Some("LAUNCH-NO-ADDRESSES")
        );
        assert_eq!(launch(Some("something else")), Some("LAUNCH-FAILS"));
        let join =
            |lifecycle: &str| code(&WaitingOn::Join { instance: "i-0f3a".to_owned(), lifecycle: lifecycle.to_owned() });
        assert_eq!(
            (join("Pending:Wait"), join("InService")),
            (Some("HOOK-HOLDS-LAUNCH"), Some("INSTANCE-NEVER-JOINED"))
        );
        let ready = |reason: &str| code(&WaitingOn::NodeReady { node: "n1".into(), reason: reason.to_owned() });
        assert_eq!(ready(""), Some("KUBELET-SILENT"));
        assert_eq!(ready("KubeletNotReady: cni plugin not initialized"), Some("NODE-CNI"));
        assert_eq!(ready("KubeletNotReady: container runtime is down"), Some("NODE-RUNTIME"));
        assert_eq!(ready("KubeletNotReady: disk"), Some("NODE-NOT-READY"));
        assert_eq!(code(&WaitingOn::Reading), None);
    }

    #[test]
    fn the_next_step_of_a_failed_launch_names_the_group_and_the_subnet() {
        let on = WaitingOn::Launch { failure: Some("not enough free addresses in subnet 'subnet-0a1b'".to_owned()) };
        let found = from_wait(&on, Some(&AsgName::new("my nodes"))).unwrap();
        let run: Vec<_> = found.remedies.into_iter().flat_map(|remedy| remedy.run).collect();
        let [Command::Aws(subnets), Command::Aws(tried)] = run.as_slice() else { panic!("{run:?}") };
        assert!(subnets.contains("--subnet-ids subnet-0a1b "), "{subnets}");
        assert!(tried.contains("--auto-scaling-group-name 'my nodes' "), "{tried}");
    }
}
