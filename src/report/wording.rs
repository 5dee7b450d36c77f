//! Sentences: one for each thing that is waited for, one for each event.
//!
//! What is waited for reads on after "waits for".

use jiff::Timestamp;

use super::names::Names;
use crate::{
    domain::{PdbRef, PodRef, elapsed, short},
    engine::waiting::{BudgetView, WaitingOn},
};

/// As many names as a line holds before it says `+3`.
const NAMES_IN_A_LINE: usize = 5;

/// `1 pod`, `3 pods`.
#[must_use]
pub fn count(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `1 of 1 node is new`, `2 of 3 nodes are new`: of how many it is said counts, and of how many it is true.
#[must_use]
pub fn are(some: u32, all: u32, noun: &str, what: &str) -> String {
    let verb = if some == 1 { "is" } else { "are" };
    format!("{some} of {} {verb} {what}", count(all, noun))
}

/// `3 pods moved`, `3 pods moved and 2 deleted`: each pod once.
#[must_use]
pub fn moved(moved: u32, deleted: usize) -> String {
    let deleted = if deleted == 0 { String::new() } else { format!(" and {deleted} deleted") };
    format!("{} moved{deleted}", count(moved, "pod"))
}

/// At most five of them, then how many more there are.
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    let shown: Vec<_> = items.iter().take(NAMES_IN_A_LINE).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(NAMES_IN_A_LINE) {
        0 => shown.join(", "),
        more => format!("{}, +{more}", shown.join(", ")),
    }
}

/// Whether it stands in the way: the others are what every node takes its time for.
#[must_use]
pub fn blocks(on: &WaitingOn) -> bool {
    match on {
        WaitingOn::PodsOverdue { .. }
        | WaitingOn::Budget(_)
        | WaitingOn::TwoBudgets { .. }
        | WaitingOn::Unmanaged { .. }
        | WaitingOn::Refused { .. }
        | WaitingOn::LandsBack { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::Launch { failure: Some(_) }
        | WaitingOn::WrongTemplate { .. } => true,
        WaitingOn::PodsStopping { .. }
        | WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::InstanceLeaving { .. }
        | WaitingOn::Launch { failure: None }
        | WaitingOn::Join { .. }
        | WaitingOn::NodeReady { .. }
        | WaitingOn::DaemonSets { .. }
        | WaitingOn::ExtendedResources { .. }
        | WaitingOn::NodeTaint { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => false,
    }
}

/// Whether somebody has to do something before it goes on; the rest may heal by itself.
#[must_use]
pub fn needs_somebody(on: &WaitingOn) -> bool {
    // A budget that can allow, and another's work on the group, come to an end without anybody.
    let may_allow = matches!(on, WaitingOn::Budget(view) if !view.never);
    let heals = may_allow || matches!(on, WaitingOn::GroupBusy { .. });
    blocks(on) && !heals
}

/// What is waited for in two or three words that stay the same while its details change.
#[must_use]
pub fn title(on: &WaitingOn) -> String {
    match on {
        WaitingOn::PodsStopping { .. } => "pods to stop".to_owned(),
        WaitingOn::PodsOverdue { .. } => "pods past their deletion".to_owned(),
        WaitingOn::Budget(budget) => budget.pdb.to_string(),
        WaitingOn::TwoBudgets { pdbs, .. } => format!("{}, which count the same pods", budgets(pdbs)),
        WaitingOn::Unmanaged { .. } => "pods without a controller".to_owned(),
        WaitingOn::Refused { pod, .. } => format!("{pod}, whose eviction is refused"),
        WaitingOn::LandsBack { pod, .. } => format!("pods that land back in {}", pod.namespace),
        WaitingOn::PodList { .. } => "the list of its pods".to_owned(),
        WaitingOn::LoadBalancers { .. } => "load balancers to let go".to_owned(),
        WaitingOn::Volumes { .. } => "volumes to be detached".to_owned(),
        WaitingOn::InstanceLeaving { .. } => "the instance to leave".to_owned(),
        WaitingOn::Launch { .. } => "a launch".to_owned(),
        WaitingOn::Join { .. } => "the new instance to join".to_owned(),
        WaitingOn::NodeReady { .. } => "the new node to be Ready".to_owned(),
        WaitingOn::DaemonSets { .. } => "DaemonSets on the new node".to_owned(),
        WaitingOn::ExtendedResources { .. } => "resources of the new node".to_owned(),
        WaitingOn::NodeTaint { .. } => "a taint to leave the new node".to_owned(),
        WaitingOn::WrongTemplate { .. } => "an instance from the right template".to_owned(),
        WaitingOn::NodesOut { .. } => "a node to come back".to_owned(),
        WaitingOn::ZoneVolumes { zone } => format!("a new node in {zone}"),
        WaitingOn::GroupBusy { .. } => "somebody else's work on the group".to_owned(),
        WaitingOn::NodeInterval { .. } => "the node interval".to_owned(),
        WaitingOn::Answers { .. } => "answers".to_owned(),
        WaitingOn::Reading => "the group's state".to_owned(),
    }
}

/// What is waited for in full, with the reason behind the reason.
#[must_use]
pub fn cause(on: &WaitingOn, names: &Names, now: Timestamp) -> String {
    let left = |until: &Timestamp| short(elapsed(now, *until));
    match on {
        WaitingOn::PodsStopping { pods, due } => {
            let due = due.filter(|due| *due > now).map(|due| format!(", due in {}", left(&due)));
            format!("{} to stop{}: {}", pod_count(pods), due.unwrap_or_default(), pod_names(pods))
        }
        WaitingOn::PodsOverdue { pods, finalizers } => {
            let held = match finalizers.as_slice() {
                [] => "the kubelet has not let go of".to_owned(),
                [one] => format!("the finalizer {one} holds"),
                several => format!("the finalizers {} hold", list(several)),
            };
            let whose = if pods.len() == 1 { "its" } else { "their" };
            format!("{} past {whose} deletion; {held} {}", pod_count(pods), pod_names(pods))
        }
        WaitingOn::Budget(view) => format!("{}: {}", view.pdb, arithmetic(view, names)),
        WaitingOn::TwoBudgets { pod, pdbs } => {
            format!("{pod}: {} count it, and the eviction API refuses that for ever", budgets(pdbs))
        }
        WaitingOn::Unmanaged { pod } => {
            format!("{pod}: no controller would bring it back, and --delete-unmanaged was not given")
        }
        WaitingOn::Refused { pod, message, .. } => {
            format!("{pod}: its eviction is refused: {}", names.shorten(message))
        }
        WaitingOn::LandsBack { pod, times, toleration, owner } => {
            let (times, of) = (count(*times, "time"), owner.as_ref().map(|owner| format!(" of {owner}")));
            let of = of.unwrap_or_default();
            format!(
                "{pod}{of}: no longer evicted, it came back onto the cordoned node {times}: it tolerates {toleration}"
            )
        }
        WaitingOn::PodList { node } => format!("the list of the pods on {}", names.short(node)),
        WaitingOn::LoadBalancers { until } => format!("load balancers to let go, {} left", left(until)),
        WaitingOn::Volumes { volumes, until } => {
            format!("volumes to be detached, {} left: {}", left(until), list(volumes))
        }
        WaitingOn::InstanceLeaving { lifecycle, .. } => format!("its instance to leave ({lifecycle})"),
        WaitingOn::Launch { failure: None } => "a new instance to be launched".to_owned(),
        WaitingOn::Launch { failure: Some(failure) } => format!("a new instance; the last launch failed: {failure}"),
        WaitingOn::Join { instance, lifecycle } => format!("{instance} to join the cluster ({lifecycle})"),
        WaitingOn::NodeReady { node, reason } => {
            let reason = if reason.is_empty() { String::new() } else { format!(" ({})", names.shorten(reason)) };
            format!("{} to be Ready{reason}", names.short(node))
        }
        WaitingOn::DaemonSets { node, missing } => {
            format!("DaemonSets to be Ready on {}: {}", names.short(node), list(missing))
        }
        WaitingOn::ExtendedResources { node, missing } => {
            format!("{} to offer {}", names.short(node), list(missing))
        }
        WaitingOn::NodeTaint { node, taint } => format!("the taint {taint} to leave {}", names.short(node)),
        WaitingOn::WrongTemplate { instance, has } => {
            format!("an instance from the group's template: {instance} came from {has}")
        }
        WaitingOn::NodesOut { available, required } => {
            format!("a node to come back: {available} are available and {required} must be")
        }
        WaitingOn::GroupBusy { why } => format!("somebody else's work on the group to end: {why}"),
        WaitingOn::ZoneVolumes { zone } => {
            format!("a new node in {zone}: volumes there need the last Ready one")
        }
        WaitingOn::NodeInterval { until } => format!("the node interval, {} left", left(until)),
        WaitingOn::Answers { count: open } => format!("{} of a server", count(*open, "answer")),
        WaitingOn::Reading => "the group's state to be read".to_owned(),
    }
}

/// `pdb/shop/cart and pdb/shop/tier`
#[must_use]
pub fn budgets(pdbs: &[PdbRef]) -> String {
    pdbs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Why a budget allows none: what it promises, what is out, and who.
#[must_use]
pub fn arithmetic(view: &BudgetView, names: &Names) -> String {
    let BudgetView { rule, expected, desired, current, .. } = view;
    if view.never {
        let ready = if *current == 1 { "1 is Ready" } else { &format!("{current} are Ready") };
        let pods = if *expected == 1 { "pod" } else { "pods" };
        return format!("{rule} of {expected} {pods} = {desired} must stay; {ready}; 0 may leave, now and always");
    }
    if view.stale {
        return format!("{rule}; its status is older than that, and nothing may leave until it is not");
    }
    let (may, out) = (expected.saturating_sub(*desired), expected.saturating_sub(*current));
    let allowed = format!("{may} of {expected} allowed out");
    let unready: Vec<_> = view.unready.iter().map(|pod| names.shorten(pod)).collect();
    match (unready.is_empty(), out) {
        (false, _) => format!("{allowed}, {}", list(&unready)),
        (true, out) if out <= 0 => format!("{allowed}; an eviction is being counted"),
        (true, 1) => format!("{allowed} and 1 is"),
        (true, out) => format!("{allowed} and {out} are"),
    }
}

/// The pods' names, each with its namespace.
#[must_use]
pub fn pod_names(pods: &[PodRef]) -> String {
    let names: Vec<_> = pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    list(&names)
}

/// `3 pods`.
#[must_use]
pub fn pod_count(pods: &[PodRef]) -> String {
    count(u32::try_from(pods.len()).unwrap_or(u32::MAX), "pod")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::{
        domain::later,
        report::fixtures::{at, budget, never, pod},
    };

    fn names() -> Names {
        let mut names = Names::default();
        names.learn(&"ip-10-0-1-7.eu-west-1.compute.internal".into());
        names
    }

    fn said(on: &WaitingOn) -> String {
        format!("waits for {}", cause(on, &names(), at(0)))
    }

    #[test]
    fn a_budget_is_told_with_its_arithmetic_and_with_who_uses_it_up() {
        assert_snapshot!(said(&WaitingOn::Budget(Box::new(budget()))), @"waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)");
        assert_snapshot!(said(&WaitingOn::Budget(Box::new(never()))), @"waits for pdb/odd/ledger-guard: minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always");
        let view = BudgetView { unready: Vec::new(), ..budget() };
        assert_snapshot!(said(&WaitingOn::Budget(Box::new(view.clone()))), @"waits for pdb/shop/cart: 1 of 3 allowed out and 1 is");
        let lagging = BudgetView { current: 3, ..view.clone() };
        assert_snapshot!(said(&WaitingOn::Budget(Box::new(lagging))), @"waits for pdb/shop/cart: 1 of 3 allowed out; an eviction is being counted");
        assert_snapshot!(said(&WaitingOn::Budget(Box::new(BudgetView { stale: true, ..view }))), @"waits for pdb/shop/cart: maxUnavailable 1; its status is older than that, and nothing may leave until it is not");
    }

    #[test]
    fn every_wait_reads_on_after_waits_for() {
        let node = || "ip-10-0-4-22.eu-west-1.compute.internal".into();
        let pods: Vec<_> = (1..=7).map(|n| pod(&format!("cart-{n}"))).collect();
        let until = later(at(0), Duration::from_secs(41));
        let pdb = |name: &str| PdbRef { namespace: "shop".to_owned(), name: name.to_owned() };
        let text = |text: &str| text.to_owned();
        let all = [
            WaitingOn::PodsStopping { pods: pods.clone(), due: Some(until) },
            WaitingOn::PodsOverdue { pods: pods[..1].to_vec(), finalizers: vec![text("example.com/backup")] },
            WaitingOn::PodsOverdue { pods: pods[..2].to_vec(), finalizers: Vec::new() },
            WaitingOn::TwoBudgets { pod: pod("cart-1"), pdbs: vec![pdb("cart"), pdb("all")] },
            WaitingOn::Unmanaged { pod: pod("shell") },
            WaitingOn::Refused {
                pod: pod("cart-1"),
                message: text("admission webhook \"guard\" denied it"),
                refusal: None,
            },
            WaitingOn::LandsBack {
                pod: pod("agent-9"),
                times: 3,
                toleration: text("every taint (operator Exists)"),
                owner: None,
            },
            WaitingOn::PodList { node: node() },
            WaitingOn::LoadBalancers { until },
            WaitingOn::Volumes { volumes: vec![text("vol-0a1"), text("vol-0b2")], until },
            WaitingOn::InstanceLeaving { lifecycle: text("Terminating:Wait"), instance: None, node: Some(node()) },
            WaitingOn::Launch { failure: None },
            WaitingOn::Launch { failure: Some(text("There is not enough capacity in eu-west-1a")) },
            WaitingOn::Join { instance: text("i-0f3a"), lifecycle: text("Pending:Wait") },
            WaitingOn::NodeReady { node: node(), reason: text("KubeletNotReady: cni plugin not initialized") },
            WaitingOn::DaemonSets { node: node(), missing: vec![text("kube-system/aws-node")] },
            WaitingOn::ExtendedResources { node: node(), missing: vec![text("nvidia.com/gpu")] },
            WaitingOn::NodeTaint { node: node(), taint: text("node.cilium.io/agent-not-ready") },
            WaitingOn::WrongTemplate { instance: text("i-0f3a"), has: text("lt-0a1c version 3") },
            WaitingOn::NodesOut { available: 11, required: 11 },
            WaitingOn::ZoneVolumes { zone: "eu-west-1a".into() },
            WaitingOn::GroupBusy { why: text("EKS is updating this node group itself (status UPDATING)") },
            WaitingOn::NodeInterval { until },
            WaitingOn::Answers { count: 2 },
            WaitingOn::Reading,
        ];
        assert_snapshot!(all.iter().map(said).collect::<Vec<_>>().join("\n"), @r#"
        waits for 7 pods to stop, due in 41s: shop/cart-1, shop/cart-2, shop/cart-3, shop/cart-4, shop/cart-5, +2
        waits for 1 pod past its deletion; the finalizer example.com/backup holds shop/cart-1
        waits for 2 pods past their deletion; the kubelet has not let go of shop/cart-1, shop/cart-2
        waits for pod/shop/cart-1: pdb/shop/cart and pdb/shop/all count it, and the eviction API refuses that for ever
        waits for pod/shop/shell: no controller would bring it back, and --delete-unmanaged was not given
        waits for pod/shop/cart-1: its eviction is refused: admission webhook "guard" denied it
        waits for pod/shop/agent-9: no longer evicted, it came back onto the cordoned node 3 times: it tolerates every taint (operator Exists)
        waits for the list of the pods on ip-10-0-4-22
        waits for load balancers to let go, 41s left
        waits for volumes to be detached, 41s left: vol-0a1, vol-0b2
        waits for its instance to leave (Terminating:Wait)
        waits for a new instance to be launched
        waits for a new instance; the last launch failed: There is not enough capacity in eu-west-1a
        waits for i-0f3a to join the cluster (Pending:Wait)
        waits for ip-10-0-4-22 to be Ready (KubeletNotReady: cni plugin not initialized)
        waits for DaemonSets to be Ready on ip-10-0-4-22: kube-system/aws-node
        waits for ip-10-0-4-22 to offer nvidia.com/gpu
        waits for the taint node.cilium.io/agent-not-ready to leave ip-10-0-4-22
        waits for an instance from the group's template: i-0f3a came from lt-0a1c version 3
        waits for a node to come back: 11 are available and 11 must be
        waits for a new node in eu-west-1a: volumes there need the last Ready one
        waits for somebody else's work on the group to end: EKS is updating this node group itself (status UPDATING)
        waits for the node interval, 41s left
        waits for 2 answers of a server
        waits for the group's state to be read
        "#);
        let why: Vec<_> = all.iter().map(|on| crate::report::why::why(on, &names(), at(0))).collect();
        assert_snapshot!(why.join("\n"), @r#"
        asked to leave, and still there: shop/cart-1, shop/cart-2, shop/cart-3, shop/cart-4, shop/cart-5, +2
        1 pod past its deletion; the finalizer example.com/backup holds shop/cart-1
        2 pods past their deletion; the kubelet has not let go of shop/cart-1, shop/cart-2
        the eviction API refuses a pod that more than one budget counts, now and always
        no controller would bring them back, and --delete-unmanaged was not given
        pod/shop/cart-1: its eviction is refused: admission webhook "guard" denied it
        pod/shop/agent-9: no longer evicted, it came back onto the cordoned node 3 times: it tolerates every taint (operator Exists)
        it still waited for the list of the pods on ip-10-0-4-22
        it still waited for load balancers to let go, 41s left
        it still waited for volumes to be detached, 41s left: vol-0a1, vol-0b2
        its instance has not left the group (Terminating:Wait)
        no launch was seen, and none that failed
        the last launch failed: There is not enough capacity in eu-west-1a
        i-0f3a was launched and has not joined the cluster (Pending:Wait)
        ip-10-0-4-22 has joined and is not Ready (KubeletNotReady: cni plugin not initialized)
        ip-10-0-4-22 is Ready, but not the pods there of kube-system/aws-node
        ip-10-0-4-22 is Ready and does not offer nvidia.com/gpu
        ip-10-0-4-22 still has the taint node.cilium.io/agent-not-ready
        i-0f3a came from lt-0a1c version 3, and not from what the group launches
        it still waited for a node to come back: 11 are available and 11 must be
        it still waited for a new node in eu-west-1a: volumes there need the last Ready one
        it still waited for somebody else's work on the group to end: EKS is updating this node group itself (status UPDATING)
        it still waited for the node interval, 41s left
        it still waited for 2 answers of a server
        it still waited for the group's state to be read
        "#);
        let titles: Vec<_> =
            all.iter().map(|on| format!("{} {}", if blocks(on) { "!" } else { "-" }, title(on))).collect();
        assert_snapshot!(titles.join("\n"), @"
        - pods to stop
        ! pods past their deletion
        ! pods past their deletion
        ! pdb/shop/cart and pdb/shop/all, which count the same pods
        ! pods without a controller
        ! pod/shop/cart-1, whose eviction is refused
        ! pods that land back in shop
        - the list of its pods
        - load balancers to let go
        - volumes to be detached
        - the instance to leave
        - a launch
        ! a launch
        - the new instance to join
        - the new node to be Ready
        - DaemonSets on the new node
        - resources of the new node
        - a taint to leave the new node
        ! an instance from the right template
        - a node to come back
        - a new node in eu-west-1a
        ! somebody else's work on the group
        - the node interval
        - answers
        - the group's state
        ");
    }
}
