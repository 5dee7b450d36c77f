//! What a wait alone tells: for journals that were written before runs told their diagnosis, and for what no rule found.

use super::{
    launch_words,
    remedy::{self, joins, kubectl, launches, leaving, nodes},
};
use crate::{
    domain::{
        AsgName, By, Cause, Command, Finding, InstanceId, NodeName, Object, Owner, PdbRef, PdbRule, PodRef, Remedy,
        Sure,
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
                .remedies(look("those pods", nodes::pods_on(node))),
        ),
        WaitingOn::ExtendedResources { node, missing } => Some(
            at_node(Cause::NodeResourceMissing, node, format!("node/{node} does not offer {}", missing.join(", ")))
                .by(By::Status, "it is Ready, and the node that it replaces had them")
                .remedies(look("what it offers", nodes::offers(node))),
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
    let cause = if message.contains("failed calling webhook") {
        Cause::WebhookDown
    } else if message.contains("admission webhook") {
        Cause::WebhookDenies
    } else if message.contains("is being terminated") || message.contains("is terminating") {
        Cause::NamespaceTerminating
    } else if message.contains("forbidden") {
        Cause::RightsEvict
    } else if message.contains("asks for fewer requests") {
        Cause::ApiBusy
    } else {
        Cause::Unexplained
    };
    Finding::new(cause, Object::Pod(pod.clone()), format!("the server refuses to evict {pod}"))
        .by(By::Refusal, message)
        .remedies(look("what Kubernetes says of the pod", remedy::describe(pod)))
}

fn launch(failure: Option<&str>, asg: Option<&AsgName>) -> Finding {
    let tried = launches::what_it_did(asg);
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
    let id = InstanceId::new(instance);
    let console = joins::console(&id);
    let object = Object::Instance(id);
    if lifecycle == "Pending:Wait" {
        return Finding::new(Cause::HookHoldsLaunch, object, format!("a lifecycle hook holds {instance}"))
            .by(By::Status, format!("it is {lifecycle}"));
    }
    Finding::new(Cause::InstanceNeverJoined, object, format!("{instance} was launched and has not joined the cluster"))
        .sure(Sure::Possible)
        .by(By::Status, format!("it is {lifecycle}, and no Node has its id"))
        .remedies(look("what its bootstrap says", console))
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
        .remedies(look("what it says of itself", nodes::describe(node)))
}

fn tainted(node: &NodeName, taint: &str) -> Finding {
    let describe = look("who put it there", nodes::writers(node));
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

fn look(what: &str, run: Command) -> Vec<Remedy> {
    vec![Remedy::look(what, vec![run])]
}

fn budget(view: &BudgetView) -> Finding {
    let BudgetView { pdb, rule, expected, desired, current, never, stale, unready, .. } = view;
    let object = Object::Pdb(pdb.clone());
    let look = remedy::controller(pdb);
    if *never {
        let ready = if *current == 1 { "1 is Ready".to_owned() } else { format!("{current} are Ready") };
        let pods = if *expected == 1 { "pod" } else { "pods" };
        let why = format!("{rule} of {expected} {pods} = {desired} must stay; {ready}; 0 may leave, now and always");
        return Finding::new(Cause::PdbNeverAllows, object, format!("{pdb} can never allow an eviction"))
            .by(By::Arithmetic, why)
            .remedies(vec![rule_of(rule).map_or(look, |rule| remedy::relax(pdb, rule, *expected))]);
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

/// A rule as a wait tells it: `minAvailable 100%`.
fn rule_of(text: &str) -> Option<PdbRule> {
    let (field, value) = text.split_once(' ')?;
    let value = value.parse().ok()?;
    match field {
        "minAvailable" => Some(PdbRule::MinAvailable(value)),
        "maxUnavailable" => Some(PdbRule::MaxUnavailable(value)),
        _ => None,
    }
}

fn two_budgets(pdbs: &[PdbRef]) -> Finding {
    let names: Vec<_> = pdbs.iter().map(ToString::to_string).collect();
    let all: Vec<_> = pdbs.iter().collect();
    let says = format!("{} count the same pods", names.join(" and "));
    Finding::new(Cause::TwoBudgets, Object::Budgets(pdbs.to_vec()), says)
        .by(By::Spec, "the eviction API refuses a pod that more than one budget counts, now and always")
        .remedies(pdbs.iter().map(|pdb| remedy::without(pdb, &all, false)).collect())
}

fn unmanaged(pod: &PodRef) -> Finding {
    Finding::new(Cause::BarePod, Object::Pod(pod.clone()), format!("{pod} has no controller"))
        .by(By::Spec, "nobody would bring it back, and --delete-unmanaged was not given")
        .remedies(remedy::bare_pod(pod))
}

fn lands_back(pod: &PodRef, times: u32, toleration: &str, owner: Option<&Owner>) -> Finding {
    let ns = &pod.namespace;
    let (object, remedy) = if let Some(owner) = owner {
        let risk = "rolls its pods; GitOps or an operator may put it back";
        let what = "take that toleration out of its template (spec.template.spec.tolerations)";
        let edit = vec![kubectl(ns, &format!("edit {owner}"))];
        (Object::Workload { namespace: ns.clone(), owner: owner.clone() }, Remedy::fix(what, edit, risk))
    } else {
        (Object::Pod(pod.clone()), leaving::who_makes(pod))
    };
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    Finding::new(Cause::LandsBack, object.clone(), format!("pods of {object} come back onto the cordoned node"))
        .by(By::Seen, format!("{pod} came back {times}, the last one of them"))
        .by(By::Spec, format!("it tolerates {toleration}"))
        .remedies(vec![remedy])
}

fn overdue(pod: &PodRef, finalizers: &[String]) -> Finding {
    let object = Object::Pod(pod.clone());
    let found = if finalizers.is_empty() {
        Finding::new(Cause::StuckTerminating, object, format!("{pod} should be gone and is not"))
            .by(By::Status, "past its deletion, and the kubelet has not let go of it")
    } else {
        Finding::new(Cause::Finalizer, object, format!("{pod} is held by {}", finalizers.join(", ")))
            .by(By::Status, "past its deletion, and somebody else must let go of it first")
    };
    found.remedies(look("what holds it is in metadata.finalizers and status", remedy::whole(pod)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IntOrPercent;

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
        assert_eq!(code("the server asks for fewer requests"), Some("API-BUSY"));
        assert_eq!(code("teapot"), Some("UNEXPLAINED"));
    }

    #[test]
    fn budgets_are_changed_in_the_same_way_as_by_a_diagnosis() {
        let pdb = |name: &str| PdbRef { namespace: "shop".to_owned(), name: name.to_owned() };
        let on = WaitingOn::TwoBudgets { pdbs: vec![pdb("cart"), pdb("tier")], pod: pod() };
        let found = from_wait(&on, None).unwrap();
        let run = format!("{:?}", found.remedies[0].run);
        // Nobody counts the pods of the one that is left until it is changed.
        assert!(run.contains("delete pdb/cart") && run.contains("annotate pdb/tier mngup.dev/counted=anew"), "{run}");
        assert_eq!(rule_of("minAvailable 100%"), Some(PdbRule::MinAvailable(IntOrPercent::Percent(100))));
        assert_eq!(rule_of("maxUnavailable 0"), Some(PdbRule::MaxUnavailable(IntOrPercent::Int(0))));
        assert_eq!(rule_of("never"), None);
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
