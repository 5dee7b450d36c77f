//! Ways out as commands to paste, the least drastic first, each with what it risks.

mod aws;
pub(super) mod containers;
pub(super) mod doubled;
pub(super) mod eks;
pub(super) mod group;
pub(super) mod joins;
pub(super) mod launches;
pub(super) mod leaving;
pub(super) mod missing;
pub(super) mod nodes;
pub(super) mod pending;
pub(super) mod refused;
pub(super) mod volumes;

use std::time::Duration;

use serde_json::json;

use self::containers::{put_back, undo};
use super::scene::Scene;
use crate::domain::{
    Ask, Command, IntOrPercent, Known, Lack, NodeName, Object, Owner, Pdb, PdbRef, PdbRule, Pod, PodRef, Remedy,
    Strategy, UnhealthyPolicy, quoted, short,
};

pub(super) fn never_allows(scene: &Scene<'_>, pdb: &Pdb, pods: &[&Pod]) -> Vec<Remedy> {
    let relax = relax(&pdb.id, pdb.rule, pdb.status.expected);
    // Whoever moves many pods for the sake of a few does so last.
    let for_few = pods.len() < usize::try_from(pdb.status.expected).unwrap_or_default().div_ceil(2);
    let (first, last) = match restart(scene, pdb, pods) {
        Some(restart) if for_few => (None, Some(restart)),
        restart => (restart, None),
    };
    let others = one_more(scene, pdb, pods).into_iter().chain([relax]).chain(last);
    first.into_iter().chain(others).chain([force()]).collect()
}

/// Lets one of so many pods go, and puts back what was.
pub(super) fn relax(pdb: &PdbRef, rule: PdbRule, expected: i32) -> Remedy {
    let (field, was) = rule_field(rule);
    let enough = match rule {
        PdbRule::MaxUnavailable(_) => json!(1),
        PdbRule::MinAvailable(_) => json!((expected - 1).max(0)),
    };
    let risk = if expected == 1 { "no pod at all for a while" } else { "one pod less for a while" };
    let relax = vec![patch(pdb, &json!({ "spec": { field: enough } }))];
    let relax = Remedy::fix("let one pod leave at a time", relax, risk);
    relax.back(vec![patch(pdb, &json!({ "spec": { field: was } }))])
}

/// Only a Deployment that surges has its new pods Ready before the old ones go; most do.
fn restart(scene: &Scene<'_>, pdb: &Pdb, pods: &[&Pod]) -> Option<Remedy> {
    let (pod, owner) = one_workload(pods).filter(|(_, owner)| owner.kind == "Deployment")?;
    if !pods.iter().all(|pod| scene.stays_cordoned(pod)) {
        return None;
    }
    let all = match pdb.status.expected {
        expected if usize::try_from(expected).is_ok_and(|expected| expected > pods.len()) => format!("all {expected}"),
        _ => "all".to_owned(),
    };
    let risk = match scene.ask(&Ask::workload(&pod.id.namespace, &owner)) {
        Known::Is(Some(known)) if known.strategy == Strategy::Surges => {
            format!("restarts {all} of its pods{}", put_back(known))
        }
        Known::Is(_) | Known::Unknown(Lack::NotRead) => return None,
        Known::Unknown(_) => {
            format!("restarts {all} of its pods; with strategy Recreate they go before new ones come")
        }
    };
    let risk =
        if scene.has_open_old_nodes() { format!("{risk}; one that comes up on an old node holds that") } else { risk };
    let restart = kubectl(&pod.id.namespace, &format!("rollout restart {owner}"));
    Some(Remedy::fix("new pods elsewhere: a rollout does not ask the budget", vec![restart], risk))
}

/// One replica more, where the budget would then let one go.
fn one_more(scene: &Scene<'_>, pdb: &Pdb, pods: &[&Pod]) -> Option<Remedy> {
    let more = u32::try_from(pdb.status.expected).ok()? + 1;
    let helps = pdb.rule.must_stay(more) < more;
    let (pod, owner) = one_workload(pods).filter(|(_, owner)| owner.kind != "DaemonSet" && helps)?;
    let workload = scene.workload(pod)?;
    let replicas = workload.replicas?;
    let scale = |replicas: u32| vec![kubectl(&pod.id.namespace, &format!("scale {owner} --replicas={replicas}"))];
    let risk = format!("not every program may run once more; an autoscaler of it may undo it{}", put_back(workload));
    Some(Remedy::fix("one more replica, so that one may leave", scale(replicas + 1), risk).back(scale(replicas)))
}

pub(super) fn exhausted(pdb: &Pdb, maker: Option<&Object>) -> Vec<Remedy> {
    let list = kubectl(&pdb.id.namespace, &format!("get pods -l '{}' -o wide", pdb.selector.to_query()));
    let pods = Remedy::look("the pods that it counts", vec![list]);
    let maker = match maker {
        Some(Object::Workload { namespace, owner }) => {
            let describe = kubectl(namespace, &format!("describe {owner}"));
            Some(Remedy::look("why there are not more of them, and whether its controller runs", vec![describe]))
        }
        Some(_) | None => None,
    };
    [pods].into_iter().chain(maker).collect()
}

pub(super) fn unhealthy_blocks(scene: &Scene<'_>, pdb: &Pdb, pod: &Pod, look: Option<Remedy>) -> Vec<Remedy> {
    let policy = |policy: Option<&str>| patch(&pdb.id, &json!({ "spec": { "unhealthyPodEvictionPolicy": policy } }));
    let allow = Remedy::fix(
        "let broken pods leave whatever the budget says",
        vec![policy(Some("AlwaysAllow"))],
        "pods that are only starting may be evicted too",
    );
    let before = match pdb.unhealthy {
        UnhealthyPolicy::Unsaid => None,
        UnhealthyPolicy::IfHealthyBudget => Some("IfHealthyBudget"),
        UnhealthyPolicy::AlwaysAllow => Some("AlwaysAllow"),
    };
    let risk = match pod.owner {
        Some(_) => "its controller makes a new one; the budget is not asked",
        None => "nobody makes a new one; the budget is not asked",
    };
    let ways = [allow.back(vec![policy(before)]), delete(pod, risk)];
    look.into_iter().chain(ways).chain(undo(scene, pod)).collect()
}

pub(super) fn sync_failed(pdb: &Pdb, ready: Option<usize>) -> Vec<Remedy> {
    let look = controller(&pdb.id);
    let Some(ready) = ready else { return vec![look] };
    let (field, was) = rule_field(pdb.rule);
    // Written twice, the key would be set; a budget may have one of the two only.
    let keep = ready.saturating_sub(1);
    let (to, back) = match pdb.rule {
        PdbRule::MinAvailable(_) => (json!({ "minAvailable": keep }), json!({ "minAvailable": was })),
        PdbRule::MaxUnavailable(_) => {
            (json!({ "maxUnavailable": null, "minAvailable": keep }), json!({ field: was, "minAvailable": null }))
        }
    };
    let count = Remedy::fix(
        "a plain number needs no controller that can be scaled",
        vec![patch(&pdb.id, &json!({ "spec": to }))],
        "it no longer follows the number of replicas",
    );
    vec![look, count.back(vec![patch(&pdb.id, &json!({ "spec": back }))])]
}

pub(super) fn controller(pdb: &PdbRef) -> Remedy {
    let describe = kubectl(&pdb.namespace, &format!("describe pdb/{}", pdb.name));
    Remedy::look("what the controller says", vec![describe])
}

pub(super) fn stale_disrupted(pdb: &Pdb) -> Vec<Remedy> {
    let (ns, name) = (&pdb.id.namespace, &pdb.id.name);
    let forget = json!({ "status": { "disruptedPods": null } });
    let forget = kubectl(ns, &format!("patch pdb/{name} --subresource=status --type=merge -p '{forget}'"));
    vec![Remedy::fix(
        "count those pods again",
        vec![forget],
        "where an eviction is under way after all, one pod more than the budget allows may be out",
    )]
}

pub(super) fn status_behind(pdb: &Pdb) -> Vec<Remedy> {
    let look = kubectl(&pdb.id.namespace, &format!("describe pdb/{}", pdb.id.name));
    let leader = kubectl("kube-system", "get lease kube-controller-manager -o yaml");
    vec![
        Remedy::wait("the disruption controller runs in the control plane: on EKS only AWS can mend it"),
        Remedy::look("whether it looks at budgets at all, and who leads", vec![look, leader]),
    ]
}

pub(super) fn bare_pod(pod: &PodRef) -> Vec<Remedy> {
    let upgrade = Command::Upgrade("--delete-unmanaged".to_owned());
    vec![
        delete_called(pod, "it does not come back"),
        Remedy::fix("allow that for all such pods", vec![upgrade], "none of them comes back"),
    ]
}

/// A grace that has begun can be made shorter, counted from its beginning, and never longer
/// (`k8s.io/apiserver/pkg/registry/rest/delete.go`).
pub(super) fn long_grace_under_way(pod: &Pod, grace: u32, at_most: Duration) -> Vec<Remedy> {
    let seconds = at_most.as_secs().max(1);
    let shorten =
        kubectl(&pod.id.namespace, &format!("delete pod/{} --grace-period={seconds} --wait=false", pod.id.name));
    let what = format!("give it {} in all, so that its node need not wait longer", short(Duration::from_secs(seconds)));
    let risk = "what it has not finished by then is cut off; it cannot be given more time again";
    vec![as_long(grace), Remedy::fix(what, vec![shorten], risk)]
}

pub(super) fn long_grace_ahead(pod: &Pod, grace: u32) -> Vec<Remedy> {
    let cut = Command::Upgrade("--max-grace-period 10m".to_owned());
    let risk = format!("cuts the work of {} short", pod.id.name);
    vec![as_long(grace), Remedy::fix("give every pod ten minutes at most", vec![cut], risk)]
}

/// A node that waits as long as a pod may take.
fn as_long(grace: u32) -> Remedy {
    let span = short(Duration::from_mins(u64::from(grace).div_ceil(60) + 5));
    let risk = "the run and its node stand still for so long, where it does not stop earlier";
    Remedy::fix("wait for it", vec![Command::Upgrade(format!("--drain-timeout {span}"))], risk)
}

pub(super) fn stuck_terminating(pod: &Pod) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let node = pod.node.as_ref().map(|node| Command::Kubectl(format!("describe node/{node}")));
    let look = [Some(describe(&pod.id)), node].into_iter().flatten().collect();
    let risk = if pod.owner.as_ref().is_some_and(|owner| owner.kind == "StatefulSet") {
        "its containers may still run while its successor, which has the same name and volumes, starts"
    } else {
        "its containers may still run"
    };
    let kill = |wait: &str| kubectl(ns, &format!("delete pod/{name} --grace-period=0 --force{wait}"));
    let forget = if pod.finalizers.is_empty() {
        Remedy::fix("forget the pod", vec![kill("")], risk)
    } else {
        // The record stays until both are done; whoever waits after the first never comes to the second.
        let lines = vec![kill(" --wait=false"), without_finalizers_of(pod)];
        Remedy::fix("forget the pod", lines, format!("{risk}; what its finalizers wait for is never cleaned up"))
    };
    vec![Remedy::look("what the kubelet says", look), forget]
}

/// Each by itself, for only that is dead of which nobody answers; the last first, so that those before it keep their place.
pub(super) fn finalizer(pod: &Pod) -> Vec<Remedy> {
    let (ns, name) = (&pod.id.namespace, &pod.id.name);
    let controllers = Command::Kubectl("get deployments,statefulsets,daemonsets -A".to_owned());
    let what = "whose it is, by what stands before the slash, and whether that runs: once it does, it takes it off";
    let look = Remedy::look(what, vec![whole(&pod.id), controllers]);
    let each = pod.finalizers.iter().enumerate().rev().map(|(index, finalizer)| {
        let path = format!("/metadata/finalizers/{index}");
        let patch =
            json!([{ "op": "test", "path": path, "value": finalizer }, { "op": "remove", "path": path }]).to_string();
        let take = vec![kubectl(ns, &format!("patch pod/{name} --type=json -p {}", quoted(&patch)))];
        let risk = "what it waits for is never cleaned up; it cannot be put back";
        Remedy::fix(format!("take away {finalizer}, where nobody answers for it"), take, risk)
    });
    std::iter::once(look).chain(each).collect()
}

fn without_finalizers_of(pod: &Pod) -> Command {
    let patch = without_finalizers(&pod.finalizers);
    kubectl(&pod.id.namespace, &format!("patch pod/{} --type=json -p '{patch}'", pod.id.name))
}

/// Takes finalizers off, if they are those that were seen.
fn without_finalizers(finalizers: &[String]) -> serde_json::Value {
    json!([
        { "op": "test", "path": "/metadata/finalizers", "value": finalizers },
        { "op": "remove", "path": "/metadata/finalizers" },
    ])
}

/// So many nodes more before others are emptied.
fn surge(nodes: u32) -> Remedy {
    let surge = Command::Upgrade(format!("--max-surge {nodes}"));
    let (what, risk) = match nodes {
        1 => ("one node more while it is upgraded".to_owned(), "one more instance is paid for".to_owned()),
        _ => (format!("{nodes} nodes more while it is upgraded"), format!("{nodes} more instances are paid for")),
    };
    Remedy::fix(what, vec![surge], risk)
}

pub(super) fn unexplained(node: &NodeName, pods: &[&Pod]) -> Vec<Remedy> {
    let describe = pods.iter().take(1).map(|pod| describe(&pod.id));
    let node = Command::Kubectl(format!("describe node/{node}"));
    vec![Remedy::look("what Kubernetes itself says of them", describe.chain([node]).collect())]
}

fn delete(pod: &Pod, risk: &str) -> Remedy {
    delete_called(&pod.id, risk)
}

fn delete_called(pod: &PodRef, risk: &str) -> Remedy {
    Remedy::fix("delete it", vec![kubectl(&pod.namespace, &format!("delete pod/{}", pod.name))], risk)
}

/// All that the server knows of a pod.
pub(super) fn whole(pod: &PodRef) -> Command {
    kubectl(&pod.namespace, &format!("get pod/{} -o yaml", pod.name))
}

pub(super) fn describe(pod: &PodRef) -> Command {
    kubectl(&pod.namespace, &format!("describe pod/{}", pod.name))
}

fn force() -> Remedy {
    let force = Command::Upgrade("--force".to_owned());
    Remedy::fix("delete what is left when the drain timeout ends", vec![force], "past every budget of the group's pods")
}

/// What a person changes to change all of them, if it is one thing, and one of them.
fn one_workload<'a>(pods: &[&'a Pod]) -> Option<(&'a Pod, Owner)> {
    let first = *pods.first()?;
    let owner = first.workload()?;
    pods.iter().all(|pod| pod.workload().as_ref() == Some(&owner)).then_some((first, owner))
}

fn rule_field(rule: PdbRule) -> (&'static str, serde_json::Value) {
    let value = |value: IntOrPercent| match value {
        IntOrPercent::Int(count) => json!(count),
        IntOrPercent::Percent(_) => json!(value.to_string()),
    };
    match rule {
        PdbRule::MinAvailable(min) => ("minAvailable", value(min)),
        PdbRule::MaxUnavailable(max) => ("maxUnavailable", value(max)),
    }
}

fn patch(pdb: &PdbRef, patch: &serde_json::Value) -> Command {
    kubectl(&pdb.namespace, &format!("patch pdb/{} --type=merge -p '{patch}'", pdb.name))
}

pub(super) fn kubectl(namespace: &str, rest: &str) -> Command {
    Command::Kubectl(format!("-n {namespace} {rest}"))
}
