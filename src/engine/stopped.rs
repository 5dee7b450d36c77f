//! Why a run stopped, in the words that the cluster remembers of it: whoever looks later has no journal.

use super::{
    event::{HeldPod, Member, RunOutcome, Stuck},
    waiting::{BudgetView, WaitingOn},
};
use crate::domain::short;

/// As many nodes, and pods of each, are named: the words are for a person, and a `ConfigMap` holds only so much.
const NAMED: usize = 3;

/// Why it stopped, with whom and by what.
pub(super) fn why(outcome: &RunOutcome, stuck: &[(Option<Member>, Stuck)]) -> String {
    let told = |general: &str, what: fn(&Stuck) -> bool| {
        let those: Vec<_> = stuck.iter().filter(|(_, why)| what(why)).collect();
        if those.is_empty() { general.to_owned() } else { some(&those, "; ", |(who, why)| sentence(who.as_ref(), why)) }
    };
    let eviction = |why: &Stuck| matches!(why, Stuck::PodEviction { .. });
    let creation = |why: &Stuck| matches!(why, Stuck::NodeCreation { .. });
    match outcome {
        RunOutcome::Done => "done".to_owned(),
        RunOutcome::Aborted => "aborted".to_owned(),
        RunOutcome::NotTakenBack { what } => format!("could not take back {}", what.join(", ")),
        RunOutcome::Quarantined { nodes } => {
            let general = match nodes.len() {
                1 => "1 node is quarantined".to_owned(),
                several => format!("{several} nodes are quarantined"),
            };
            format!("done, but {}", told(&general, eviction))
        }
        RunOutcome::EvictionFailed => told("pods would not leave a node (PodEvictionFailure)", eviction),
        RunOutcome::ReplacementFailed => told("a replacement did not come (NodeCreationFailure)", creation),
        RunOutcome::Refused { why } => why.clone(),
        RunOutcome::Interrupted => "stopped by the user".to_owned(),
        RunOutcome::InvariantBroken { what } => format!("mngup stopped rather than break a promise: {what}"),
    }
}

fn sentence(who: Option<&Member>, why: &Stuck) -> String {
    let who = who.map_or_else(|| "an extra node".to_owned(), Member::title);
    match why {
        Stuck::PodEviction { after, held } => {
            let held: Vec<_> = held.iter().collect();
            let pods = some(&held, ", ", |HeldPod { pod, on }| format!("{pod} ({})", holds(on)));
            format!("pods would not leave {who} within {} (PodEvictionFailure): {pods}", short(*after))
        }
        Stuck::NodeCreation { after, on } => {
            let after = short(*after);
            format!("nothing came for {who} within {after} (NodeCreationFailure): {}", holds(on))
        }
        Stuck::Refused { refusal, .. } => refusal.to_string(),
    }
}

/// What held it, in as many words as the next look needs.
fn holds(on: &WaitingOn) -> String {
    match on {
        WaitingOn::Budget(view) => budget(view),
        WaitingOn::TwoBudgets { pdbs, .. } => {
            let pdbs: Vec<_> = pdbs.iter().map(ToString::to_string).collect();
            format!("{} count it", pdbs.join(" and "))
        }
        WaitingOn::Unmanaged { .. } => "it has no controller".to_owned(),
        WaitingOn::Refused { message, .. } => format!("the server refuses: {message}"),
        WaitingOn::LandsBack { toleration, .. } => format!("it comes back, for it tolerates {toleration}"),
        WaitingOn::PodsStopping { .. } => "it takes its time to stop".to_owned(),
        WaitingOn::PodsOverdue { finalizers, .. } if finalizers.is_empty() => "it is past its deletion".to_owned(),
        WaitingOn::PodsOverdue { finalizers, .. } => {
            format!("it is past its deletion, with finalizers {}", finalizers.join(", "))
        }
        WaitingOn::Launch { failure: Some(failure) } => failure.clone(),
        WaitingOn::Launch { failure: None } => "the group launched no instance".to_owned(),
        WaitingOn::Join { instance, lifecycle } => format!("instance/{instance} did not join ({lifecycle})"),
        WaitingOn::NodeReady { node, reason } => format!("node/{node} is not Ready ({reason})"),
        WaitingOn::DaemonSets { node, missing } | WaitingOn::ExtendedResources { node, missing } => {
            format!("node/{node} lacks {}", missing.join(", "))
        }
        WaitingOn::NodeTaint { node, taint } => format!("node/{node} keeps the taint {taint}"),
        WaitingOn::WrongTemplate { instance, has } => format!("instance/{instance} was launched from {has}"),
        WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::InstanceLeaving { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => "no answer came in time".to_owned(),
    }
}

/// The budget with its arithmetic.
fn budget(view: &BudgetView) -> String {
    let BudgetView { pdb, rule, expected, desired, current, allowed, never, .. } = view;
    let when = if *never { "now and always" } else { "now" };
    format!("{pdb}: {rule} of {expected}: {desired} must stay, {current} are Ready, {allowed} may leave {when}")
}

/// The first of them, and how many more there are.
fn some<T>(of: &[&T], between: &str, words: impl Fn(&T) -> String) -> String {
    let shown: Vec<_> = of.iter().take(NAMED).map(|one| words(one)).collect();
    match of.len().saturating_sub(NAMED) {
        0 => shown.join(between),
        more => format!("{}{between}+{more}", shown.join(between)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::domain::{PdbRef, PodRef};

    fn member(name: &str) -> Member {
        Member { instance: format!("i-{name}").as_str().into(), node: Some(name.into()), zone: "a".into() }
    }

    fn pod(name: &str) -> PodRef {
        PodRef { namespace: "shop".to_owned(), name: name.to_owned(), uid: name.into() }
    }

    fn held(pods: &[&str], on: &WaitingOn) -> Stuck {
        let held = pods.iter().map(|name| HeldPod { pod: pod(name), on: on.clone() });
        Stuck::PodEviction { after: Duration::from_mins(15), held: held.collect() }
    }

    fn never() -> WaitingOn {
        WaitingOn::Budget(Box::new(BudgetView {
            pdb: PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() },
            rule: "minAvailable 100%".to_owned(),
            expected: 2,
            desired: 2,
            current: 2,
            allowed: 0,
            never: true,
            stale: false,
            pods: vec![pod("cart-1")],
            unready: Vec::new(),
        }))
    }

    #[test]
    fn node_pod_and_budget_are_named() {
        let stuck = [(Some(member("a1")), held(&["cart-1"], &never()))];
        assert_snapshot!(why(&RunOutcome::EvictionFailed, &stuck), @"pods would not leave node/a1 within 15m (PodEvictionFailure): pod/shop/cart-1 (pdb/shop/cart: minAvailable 100% of 2: 2 must stay, 2 are Ready, 0 may leave now and always)");
        let outcome = RunOutcome::Quarantined { nodes: ["a1".into()].into() };
        assert_snapshot!(why(&outcome, &stuck), @"done, but pods would not leave node/a1 within 15m (PodEvictionFailure): pod/shop/cart-1 (pdb/shop/cart: minAvailable 100% of 2: 2 must stay, 2 are Ready, 0 may leave now and always)");
        // Another machine went on and ended it: nobody remembers more.
        assert_snapshot!(why(&RunOutcome::EvictionFailed, &[]), @"pods would not leave a node (PodEvictionFailure)");
        assert_snapshot!(why(&outcome, &[]), @"done, but 1 node is quarantined");
    }

    #[test]
    fn many_are_counted() {
        let on = WaitingOn::Unmanaged { pod: pod("p1") };
        let stuck: Vec<_> = ["a1", "a2", "a3", "a4", "a5"]
            .map(|name| (Some(member(name)), held(&["p1", "p2", "p3", "p4"], &on)))
            .into();
        assert_snapshot!(why(&RunOutcome::EvictionFailed, &stuck), @"pods would not leave node/a1 within 15m (PodEvictionFailure): pod/shop/p1 (it has no controller), pod/shop/p2 (it has no controller), pod/shop/p3 (it has no controller), +1; pods would not leave node/a2 within 15m (PodEvictionFailure): pod/shop/p1 (it has no controller), pod/shop/p2 (it has no controller), pod/shop/p3 (it has no controller), +1; pods would not leave node/a3 within 15m (PodEvictionFailure): pod/shop/p1 (it has no controller), pod/shop/p2 (it has no controller), pod/shop/p3 (it has no controller), +1; +2");
    }

    #[test]
    fn a_replacement_that_did_not_come_is_told_in_the_groups_own_words() {
        let failure = Some("Could not launch On-Demand Instances. InsufficientInstanceCapacity".to_owned());
        let creation = Stuck::NodeCreation { after: Duration::from_mins(15), on: WaitingOn::Launch { failure } };
        let stuck = [(Some(member("a1")), held(&["p1"], &never())), (None, creation)];
        assert_snapshot!(why(&RunOutcome::ReplacementFailed, &stuck), @"nothing came for an extra node within 15m (NodeCreationFailure): Could not launch On-Demand Instances. InsufficientInstanceCapacity");
    }
}
