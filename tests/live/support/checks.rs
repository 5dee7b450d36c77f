//! What holds after every run, asked of the cluster's and AWS's own records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use mngup::domain::{Process, Size};
use serde_json::Value;

use super::{Bed, aws::Call, eventually, facts};

/// Every member comes from the new template and is a Ready Node; the group has its size and even zones.
pub fn all_are_new(bed: &Bed, size: usize) {
    let instances = bed.aws.instances();
    assert_eq!(instances.len(), size, "{instances:?}");
    assert!(instances.iter().all(|(_, version)| version == "2"), "{instances:?}");
    assert_eq!(bed.aws.size().desired as usize, size);
    let members: BTreeSet<_> = instances.iter().filter_map(|(id, _)| bed.aws.node_of(id)).collect();
    // The last one may be in its lifecycle hook yet when the group is small enough already.
    let nodes = eventually(Duration::from_secs(30), "the Nodes are those of the instances", || {
        Some(bed.nodes()).filter(|nodes| nodes.iter().map(name).collect::<BTreeSet<_>>() == members)
    });
    let mut zones = BTreeMap::<String, usize>::new();
    for node in &nodes {
        assert!(is_ready(node), "{node}");
        let zone = &node["metadata"]["labels"]["topology.kubernetes.io/zone"];
        *zones.entry(zone.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let (fewest, most) = (zones.values().min(), zones.values().max());
    assert!(most.zip(fewest).is_some_and(|(most, fewest)| most - fewest <= 1), "zones are not even: {zones:?}");
}

/// No trace of a run: on nodes, in the state namespace, on the group. The group's processes are as given.
pub fn nothing_is_left_behind(bed: &Bed, suspended: &[Process]) {
    for node in bed.list("nodes") {
        assert!(!is_cordoned(&node), "{} is still cordoned", name(&node));
        let left: Vec<_> = traces(&node);
        assert!(left.is_empty(), "{} still carries {left:?}", name(&node));
    }
    let state: Vec<_> =
        bed.list("configmaps,leases").iter().map(name).filter(|name| name.starts_with("mngup")).collect();
    assert!(state.is_empty(), "still there: {state:?}");
    let now: Vec<_> = bed.aws.with_asg(|asg, _| asg.config().suspended.iter().cloned().collect());
    assert_eq!(now, suspended, "suspended processes");
}

/// A run that stopped and can go on has given all nodes back but these, `AZRebalance` too, and the group has this size.
pub fn is_at_rest(bed: &Bed, size: Size, but: &BTreeSet<String>) {
    for node in bed.nodes().iter().filter(|node| !but.contains(&name(node))) {
        assert!(!is_cordoned(node), "{} is still cordoned", name(node));
        let left = traces(node);
        assert!(left.is_empty(), "{} still carries {left:?}", name(node));
    }
    let (now, suspended) = bed.aws.with_asg(|asg, _| (asg.size(), asg.config().suspended.clone()));
    assert!(suspended.is_empty(), "{suspended:?}");
    assert_eq!(now, size);
    let leases: Vec<_> = bed.list("leases").iter().map(name).filter(|name| name.starts_with("mngup")).collect();
    assert!(leases.is_empty(), "still there: {leases:?}");
}

/// `AZRebalance` was suspended once, before anything was terminated, and resumed once, after all of it.
pub fn az_rebalance_stood_still(bed: &Bed) {
    let moves: Vec<_> = facts::changes_of_aws(&bed.aws).into_iter().filter(|call| call.status == 200).collect();
    let terminates = |call: &Call| call.action == "autoscaling:TerminateInstanceInAutoScalingGroup";
    let terminations = (0..moves.len()).filter(|place| terminates(&moves[*place]));
    let switches: Vec<_> = moves.iter().enumerate().filter(|(_, call)| call.action.ends_with("Processes")).collect();
    let [(suspended, suspend), (resumed, resume)] = switches[..] else { panic!("{switches:?}") };
    assert_eq!(
        (suspend.action.as_str(), resume.action.as_str()),
        ("autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses")
    );
    for call in [suspend, resume] {
        assert_eq!(call.params["ScalingProcesses.member.1"], "AZRebalance", "{call:?}");
        assert!(!call.params.contains_key("ScalingProcesses.member.2"), "{call:?}");
    }
    for termination in terminations {
        assert!(suspended < termination && termination < resumed, "{moves:?}");
    }
}

/// What mngup may never do, whatever went wrong.
pub fn no_harm_was_done(bed: &Bed) {
    assert_eq!(bed.aws.killed_with_node(), [], "pods that had to leave and had not when their instance was terminated");
    assert_eq!(bed.aws.troubles(), [] as [String; 0], "of the bridge");
    let mut terminated = BTreeSet::new();
    for call in bed.aws.calls_of("autoscaling:TerminateInstanceInAutoScalingGroup") {
        let instance = call.params["InstanceId"].clone();
        if call.status == 200 {
            assert!(terminated.insert(instance.clone()), "{instance} was terminated twice");
        }
    }
}

/// Every request says who sends it.
pub fn every_request_names_mngup(bed: &Bed) {
    let agent = concat!("mngup/", env!("CARGO_PKG_VERSION"));
    for entry in bed.audit() {
        assert_eq!(entry.user_agent, agent, "{entry:?}");
    }
    for call in bed.aws.calls() {
        assert!(call.user_agent.contains(agent), "{call:?}");
    }
}

/// How much was asked of the API server.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Requests of all verbs by mngup's user.
    pub requests: usize,
    /// Accepted evictions.
    pub evictions: usize,
    /// Pods that were evicted.
    pub moved: usize,
    /// Evictions that were refused with 429.
    pub refused: usize,
}

impl Figures {
    /// Of all that mngup did in this bed.
    pub fn of(bed: &Bed) -> Self {
        let audit = bed.audit();
        let evictions = bed.evictions();
        let moved = evictions.iter().map(|entry| (&entry.namespace, &entry.name)).collect::<BTreeSet<_>>().len();
        let refused = audit.iter().filter(|entry| entry.code == 429).count();
        // A watch that is over is in the log twice: when it began and when it ended.
        let requests = audit.iter().filter(|entry| entry.stage == "ResponseComplete" || entry.verb != "watch").count();
        Self { requests, evictions: evictions.len(), moved, refused }
    }

    /// Requests for each pod that was moved.
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    pub fn per_pod(self) -> f64 {
        self.requests as f64 / self.moved as f64
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, evictions, moved, refused } = self;
        let per_pod = self.per_pod();
        write!(
            f,
            "{requests} requests, {evictions} evictions of {moved} pods, {refused} refused; {per_pod:.2} requests a pod"
        )
    }
}

/// Whether the Node or the pod is Ready.
pub fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Whether the Node takes no new pods.
pub fn is_cordoned(node: &Value) -> bool {
    node["spec"]["unschedulable"] == true
}

/// An object's name.
pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// The marks, labels and taints of ours that a Node carries.
pub fn traces(node: &Value) -> Vec<String> {
    let keys = |map: &Value| map.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let taints = taints.iter().filter_map(|taint| taint["key"].as_str().map(str::to_owned));
    let all = [keys(&node["metadata"]["annotations"]), keys(&node["metadata"]["labels"])].concat();
    all.into_iter()
        .chain(taints)
        .filter(|key| {
            key.starts_with("mngup.dev/")
                || key == "node.kubernetes.io/exclude-from-external-load-balancers"
                || key == "cluster-autoscaler.kubernetes.io/scale-down-disabled"
        })
        .collect()
}

/// What was asked of the API server how often, the most frequent first.
pub fn breakdown(bed: &Bed) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for entry in bed.audit() {
        let what = format!("{} {}/{} {} {}", entry.verb, entry.resource, entry.subresource, entry.code, entry.stage);
        *counts.entry(what).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(what, count)| format!("{count:6} {what}")).collect::<Vec<_>>().join("\n")
}
