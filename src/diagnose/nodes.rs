//! What keeps a node from serving, and a Node from going.

use std::collections::BTreeMap;

use super::{Rule, Verdicts, containers, limits, remedy, scene::Scene, targets::Comer};
use crate::domain::{
    Ask, By, CannotTell, Cause, DaemonSetRef, Finding, Grade, InstanceId, Known, KubeEvent, Lifecycle, Node, NodeName,
    Object, Owner, Pod, Readiness, Subnet, Sure, later,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::KubeletSilent,
        Cause::NodeNotReady,
        Cause::NodeCni,
        Cause::NodeRuntime,
        Cause::NodeNoAddresses,
        Cause::NodeDaemonset,
        Cause::NodeTaintStays,
        Cause::NodeResourceMissing,
        Cause::NodeCordonedNew,
        Cause::NodeOutlivesInstance,
    ],
    find,
};

/// The kubelet's words for a network that is not set up (`pkg/kubelet`, "container runtime network not ready").
const NETWORK: [&str; 2] = ["NetworkPluginNotReady", "cni plugin not initialized"];

/// Its words for a runtime that does not answer, or too slowly.
const RUNTIME: [&str; 3] =
    ["container runtime is down", "PLEG is not healthy", "container runtime status check may not have completed yet"];

/// EC2's words for a subnet that is used up, as the VPC CNI repeats them.
const ADDRESSES: [&str; 2] = ["InsufficientFreeAddressesInSubnet", "InsufficientCidrBlocks"];

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    for node in amiss(scene).into_values() {
        match whereabouts(scene, node) {
            Whereabouts::Here if node.is_ready() => {}
            Whereabouts::Here => {
                let found = not_ready(scene, node, verdicts);
                verdicts.found.push(found);
            }
            // Its machine goes down, and it with it.
            Whereabouts::Leaves => {}
            Whereabouts::Gone(instance) => verdicts.found.extend(outlives(scene, node, instance)),
        }
    }
    for comer in &scene.comers {
        if let Some(node) = comer.node.filter(|node| node.is_ready()) {
            lacks(scene, comer, node, verdicts);
        }
    }
}

/// Nodes that matter here and are not Ready, or are being deleted: those that are to be emptied, to come or to go, and
/// those on which others wait for a pod.
fn amiss<'a>(scene: &Scene<'a>) -> BTreeMap<&'a NodeName, &'a Node> {
    let snapshot = scene.view.snapshot;
    let of_pods = scene.unhealthy.values().filter_map(|pod| snapshot.node(pod.node.as_ref()?));
    let coming = scene.comers.iter().filter_map(|comer| comer.node);
    let going = scene.goers.iter().filter_map(|goer| goer.node);
    let all = scene.nodes.iter().copied().chain(coming).chain(going).chain(of_pods);
    all.filter(|node| !node.is_ready() || node.deleting_since.is_some()).map(|node| (&node.name, node)).collect()
}

/// What became of the instance behind a node.
enum Whereabouts<'a> {
    Here,
    Leaves,
    Gone(&'a InstanceId),
}

fn whereabouts<'a>(scene: &Scene<'a>, node: &'a Node) -> Whereabouts<'a> {
    let (Some(group), Some(id)) = (scene.view.snapshot.group(), &node.instance) else { return Whereabouts::Here };
    match group.instances.get(id).map(|instance| &instance.lifecycle) {
        Some(Lifecycle::Terminating(_)) => Whereabouts::Leaves,
        Some(Lifecycle::Pending(_) | Lifecycle::InService | Lifecycle::Apart(_)) => Whereabouts::Here,
        None => Whereabouts::Gone(id),
    }
}

fn finding(cause: Cause, node: &Node, says: String) -> Finding {
    Finding::new(cause, Object::Node(node.name.clone()), says).since(node.ready_since)
}

fn not_ready(scene: &Scene<'_>, node: &Node, verdicts: &mut Verdicts) -> Finding {
    let comes = scene.comers.iter().any(|comer| comer.node.is_some_and(|coming| coming.name == node.name));
    let found = match &node.ready {
        Readiness::Ready | Readiness::Unknown => silent(node),
        Readiness::NotReady(words) => {
            let says = |any: &[&str]| any.iter().any(|one| words.contains(one));
            // A runtime that is down has no network either.
            let found = if says(&RUNTIME) {
                let says = format!("the container runtime of node/{} does not work", node.name);
                finding(Cause::NodeRuntime, node, says).remedies(remedy::nodes::runtime(node))
            } else if says(&NETWORK) {
                network(scene, node, verdicts)
            } else {
                let says = format!("node/{} says that it is not Ready", node.name);
                finding(Cause::NodeNotReady, node, says).remedies(remedy::nodes::not_ready(node, comes))
            };
            found.by(By::Status, words)
        }
    };
    found.graded(grade(scene, node))
}

fn silent(node: &Node) -> Finding {
    finding(Cause::KubeletSilent, node, format!("the kubelet of node/{} does not answer", node.name))
        .by(By::Status, "its Ready condition is Unknown: nothing there confirms that a pod started or ended")
        .remedies(remedy::nodes::silent(node))
}

/// Whether it has had its time. Silence was waited for already by the controller that says so.
fn grade(scene: &Scene<'_>, node: &Node) -> Grade {
    let patience = match node.ready {
        Readiness::Unknown => std::time::Duration::ZERO,
        Readiness::Ready | Readiness::NotReady(_) => limits::NODE_FLAPS,
    };
    let ends = later(node.ready_since.unwrap_or(node.created_at), patience);
    let ends = ends.max(later(node.created_at, limits::FRESH_NODE));
    if scene.view.now >= ends { Grade::Blocks } else { Grade::Waits }
}

/// No network: for want of addresses where the subnets say so, else its plugin is to be looked at.
fn network(scene: &Scene<'_>, node: &Node, verdicts: &mut Verdicts) -> Finding {
    let plugins: Vec<_> = scene.view.snapshot.daemon_sets_for(node).filter(|set| set.is_network_plugin()).collect();
    let pods: Vec<&Pod> =
        plugins.iter().flat_map(|set| scene.daemon_pods(set, node).known().into_iter().flatten()).collect();
    let told = words_about_addresses(scene, &pods);
    let subnets = match scene.ask(&Ask::subnets()) {
        Known::Is(subnets) => subnets.iter().filter(|subnet| Some(&subnet.zone) == node.zone.as_ref()).collect(),
        Known::Unknown(lacking) => {
            let object = Object::Node(node.name.clone());
            verdicts.unknown.push(CannotTell { cause: Cause::NodeNoAddresses, object, lacking });
            Vec::new()
        }
    };
    let used_up = !subnets.is_empty() && subnets.iter().all(|subnet| subnet.free == 0);
    if used_up || told.is_some() {
        return no_addresses(scene, node, &subnets, told);
    }
    let says = format!("the network of node/{} does not come up", node.name);
    let found = finding(Cause::NodeCni, node, says).remedies(remedy::nodes::cni(node, &pods));
    match (plugins.first(), pods.first()) {
        (Some(_), Some(pod)) => {
            let events = scene.ask(&Ask::events(&Object::Pod(pod.id.clone())));
            found.by(By::Status, plugin_words(pod)).cannot_tell(&format!("what is said of {}", pod.id), &events)
        }
        (Some(set), None) => found.by(By::Absence, format!("{set} has no pod on it")),
        (None, _) => found.by(By::Absence, "no DaemonSet of a network plugin wants a pod on it"),
    }
}

fn plugin_words(pod: &Pod) -> String {
    match (&pod.trouble, pod.ready) {
        (Some(trouble), _) => format!("{}: {trouble}", pod.id),
        (None, true) => format!("{} is Ready there", pod.id),
        (None, false) => format!("{} is not Ready there", pod.id),
    }
}

/// What the network plugin says of a subnet that is used up, if it does.
fn words_about_addresses(scene: &Scene<'_>, pods: &[&Pod]) -> Option<(By, String)> {
    let is_it = |text: &str| ADDRESSES.iter().any(|word| text.contains(word));
    pods.iter().find_map(|pod| {
        let trouble = pod.trouble.as_ref().map(ToString::to_string).filter(|text| is_it(text));
        let event = || {
            let events = scene.ask(&Ask::events(&Object::Pod(pod.id.clone()))).known()?;
            let event = events.iter().rev().find(|event| is_it(&event.message))?;
            Some((By::Event, event.message.clone()))
        };
        trouble.map(|text| (By::Status, text)).or_else(event)
    })
}

fn no_addresses(scene: &Scene<'_>, node: &Node, subnets: &[&Subnet], told: Option<(By, String)>) -> Finding {
    let says = format!("node/{} gets no addresses for its pods", node.name);
    let found = finding(Cause::NodeNoAddresses, node, says).remedies(remedy::nodes::no_addresses(scene, subnets));
    let sure = match (&told, subnets.iter().all(|subnet| subnet.free == 0)) {
        (Some(_), true) => Sure::Certain,
        (Some(_), false) | (None, _) => Sure::Likely,
    };
    let numbers = subnets.iter().map(|subnet| format!("{} ({}) has {} free", subnet.id, subnet.cidr, subnet.free));
    let found = numbers.fold(found, |found, number| found.by(By::Status, number));
    let found = told.into_iter().fold(found, |found, (by, words)| found.by(by, words));
    found.sure(sure)
}

/// A record of what is no more: one that nobody deletes, or one that a finalizer keeps.
fn outlives(scene: &Scene<'_>, node: &Node, instance: &InstanceId) -> Option<Finding> {
    let since = node.deleting_since.or(node.ready_since)?;
    let long = scene.since(since) >= limits::NODE_OUTLIVES;
    let says = format!("node/{} is still there, and its instance is not", node.name);
    let found = Finding::new(Cause::NodeOutlivesInstance, Object::Node(node.name.clone()), says).since(Some(since));
    let gone = format!("the group has no {instance}, which its providerID names");
    let found = match (node.deleting_since, node.finalizers.as_slice()) {
        (None, _) => found.by(By::Absence, format!("{gone}, and it is not Ready")).sure(Sure::Likely),
        (Some(_), []) => found.by(By::Absence, format!("{gone}, and it is being deleted")).sure(Sure::Likely),
        (Some(_), finalizers) => {
            let kept = format!("it is being deleted, and waits for its finalizers: {}", finalizers.join(", "));
            found.by(By::Status, kept).by(By::Absence, gone)
        }
    };
    let found = found.remedies(remedy::nodes::outlives(node, instance));
    Some(found.graded(if long { Grade::Blocks } else { Grade::Waits }))
}

/// What a node that is Ready still lacks to serve.
fn lacks(scene: &Scene<'_>, comer: &Comer<'_>, node: &Node, verdicts: &mut Verdicts) {
    let had_time = |patience| scene.since(node.ready_since.unwrap_or(node.created_at)) >= patience;
    let grade = |late: bool| if late { Grade::Blocks } else { Grade::Waits };
    let agents = daemons(scene, node, verdicts);
    // Broken or only starting.
    let runs_not = agents.iter().any(|agent| agent.pod.is_some());
    if let Some(taint) = node.taints.iter().find(|taint| taint.is_of_the_start()) {
        // Its agent takes it off: one that does not run yet is told itself.
        let late = had_time(limits::FRESH_NODE) && !runs_not;
        let says = format!("node/{} keeps its taint {}", node.name, taint.key);
        let found = finding(Cause::NodeTaintStays, node, says).by(By::Spec, whose(&taint.key));
        let agents = takers(scene, node, &taint.key);
        verdicts.found.push(found.graded(grade(late)).remedies(remedy::nodes::taint_stays(node, taint, &agents)));
    }
    if comer.awaited && node.unschedulable && !node.marks.cordoned() {
        let since = node.cordoned_at.unwrap_or(comer.since);
        let says = format!("node/{} is new, and somebody cordoned it", node.name);
        let found = finding(Cause::NodeCordonedNew, node, says).by(By::Spec, "unschedulable, and not by mngup");
        let found = found.since(Some(since)).graded(grade(scene.since(since) >= limits::NODE_FLAPS));
        verdicts.found.push(found.remedies(remedy::nodes::cordoned_new(node)));
    }
    if !agents.is_empty() {
        verdicts.found.push(daemon_sets(node, &agents, had_time(limits::FRESH_NODE)));
    }
    let missing: Vec<_> = comer.extended.iter().filter(|name| !node.extended.contains_key(**name)).copied().collect();
    if !missing.is_empty() {
        let says = format!("node/{} does not offer {}", node.name, missing.join(", "));
        let found = finding(Cause::NodeResourceMissing, node, says);
        let found =
            found.by(By::Status, "the nodes that are replaced have it in status.allocatable, this one has none");
        let found = found.graded(grade(had_time(limits::RESOURCES)));
        verdicts.found.push(found.remedies(remedy::nodes::resource_missing(scene, node, &missing)));
    }
}

/// Who takes this taint off.
fn whose(key: &str) -> String {
    let who = match key {
        "node.cloudprovider.kubernetes.io/uninitialized" => "the cloud controller, which AWS runs".to_owned(),
        "ebs.csi.aws.com/agent-not-ready" => "the node pod of the EBS CSI driver".to_owned(),
        "efs.csi.aws.com/agent-not-ready" => "the node pod of the EFS CSI driver".to_owned(),
        "node.cilium.io/agent-not-ready" => "Cilium's agent".to_owned(),
        key if key.starts_with("node.kubernetes.io/") => "the node controller, once the node is well".to_owned(),
        key => format!("the agent of {}", key.split('/').next().unwrap_or(key)),
    };
    format!("{key} is taken off by {who}")
}

/// The pods there of the agent that takes this taint off, where its `DaemonSet` has the name that its chart gives it.
fn takers<'a>(scene: &Scene<'a>, node: &Node, key: &str) -> Vec<&'a Pod> {
    let named = match key {
        "ebs.csi.aws.com/agent-not-ready" => "ebs-csi-node",
        "efs.csi.aws.com/agent-not-ready" => "efs-csi-node",
        "node.cilium.io/agent-not-ready" => "cilium",
        _ => return Vec::new(),
    };
    let sets = scene.view.snapshot.daemon_sets_for(node).filter(|set| set.name == named);
    let pods: Vec<_> = sets.flat_map(|set| scene.daemon_pods(set, node).known().unwrap_or_default()).collect();
    pods.into_iter().filter(|pod| pod.deletion.is_none()).collect()
}

/// A `DaemonSet` without which a node does not count.
pub(super) struct Agent<'a> {
    pub(super) set: &'a DaemonSetRef,
    /// Its pod there; none where there is none.
    pub(super) pod: Option<&'a Pod>,
    /// What its controller was told when it made one, where there is none.
    pub(super) refused: Known<Option<&'a KubeEvent>>,
    /// Whether its pod will not become Ready by itself.
    is_broken: bool,
}

impl Agent<'_> {
    pub(super) fn workload(&self) -> Object {
        workload(self.set)
    }
}

fn workload(set: &DaemonSetRef) -> Object {
    let owner = Owner { kind: "DaemonSet".to_owned(), name: set.name.clone() };
    Object::Workload { namespace: set.namespace.clone(), owner }
}

fn daemons<'a>(scene: &Scene<'a>, node: &Node, verdicts: &mut Verdicts) -> Vec<Agent<'a>> {
    let mut agents = Vec::new();
    for set in scene.view.snapshot.daemon_sets_for(node) {
        match scene.daemon_pods(set, node) {
            Known::Is(pods) if pods.iter().any(|pod| pod.ready) => {}
            Known::Is(pods) => {
                let pod = pods.into_iter().find(|pod| pod.deletion.is_none());
                let is_broken = pod.is_some_and(|pod| containers::is_broken(scene, pod));
                let refused = if pod.is_none() { refused(scene, set, node) } else { Known::Is(None) };
                agents.push(Agent { set, pod, refused, is_broken });
            }
            Known::Unknown(lacking) => {
                let object = Object::Node(node.name.clone());
                verdicts.unknown.push(CannotTell { cause: Cause::NodeDaemonset, object, lacking });
            }
        }
    }
    agents
}

/// What the controller of a set was told last, since this node is there.
fn refused<'a>(scene: &Scene<'a>, set: &DaemonSetRef, node: &Node) -> Known<Option<&'a KubeEvent>> {
    let holds = |event: &&KubeEvent| {
        event.reason == "FailedCreate" && event.last.or(event.first).is_none_or(|last| last >= node.created_at)
    };
    scene.ask(&Ask::events(&workload(set))).map(|events| events.iter().rfind(holds))
}

fn daemon_sets(node: &Node, agents: &[Agent<'_>], had_time: bool) -> Finding {
    let names: Vec<_> = agents.iter().map(|agent| agent.set.to_string()).collect();
    let says = format!("{} not ready on node/{}", are(&names), node.name);
    let late = agents.iter().any(|agent| agent.is_broken || agent.pod.is_none() && had_time);
    let found = finding(Cause::NodeDaemonset, node, says).graded(if late { Grade::Blocks } else { Grade::Waits });
    let found = agents.iter().fold(found, |found, agent| match (agent.pod, &agent.refused) {
        (Some(pod), _) => found.by(By::Status, plugin_words(pod)),
        (None, Known::Is(Some(event))) => found.by(By::Event, event.message.trim()),
        (None, Known::Is(None) | Known::Unknown(_)) => found
            .by(By::Absence, format!("{} wants a pod there, and there is none", agent.set))
            .cannot_tell("what its controller was told when it made one", &agent.refused),
    });
    found.remedies(remedy::nodes::daemon_sets(node, agents, late))
}

fn are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}
