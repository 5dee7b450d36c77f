//! From what a run waits for to what was found about it.

use std::collections::BTreeSet;

use super::names::Names;
use crate::{
    domain::{Cause, Diagnosis, Finding, InstanceId, NodeName, Object, PodRef, Refusal, forbidden},
    engine::waiting::{About, WaitingOn},
};

/// Whether a finding at this object is about this wait.
fn is_about(on: &WaitingOn, object: &Object) -> bool {
    let is_pod = |pods: &[PodRef]| matches!(object, Object::Pod(pod) if pods.contains(pod));
    let is_one = |pod: &PodRef| is_pod(std::slice::from_ref(pod));
    let is_node = |node: &NodeName| matches!(object, Object::Node(known) if known == node);
    let is_instance = |instance: &str| matches!(object, Object::Instance(known) if known.as_str() == instance);
    match on.about() {
        About::Budgets { pdbs: [pdb], .. } => matches!(object, Object::Pdb(known) if known == pdb),
        About::Budgets { pdbs, .. } => matches!(object, Object::Budgets(known) if known == pdbs),
        About::BarePod(pod) | About::Comeback { pod, owner: None } => is_one(pod),
        About::Eviction { pod, refusal } => {
            is_one(pod) || refusal.and_then(|refusal| refusal.by(pod)).as_ref() == Some(object)
        }
        About::Stopping(pods) => is_pod(pods),
        About::Comeback { pod, owner: Some(owner) } => {
            *object == Object::Workload { namespace: pod.namespace.clone(), owner: owner.clone() }
        }
        About::Launch => matches!(object, Object::Asg(_)),
        About::Group => matches!(object, Object::Asg(_) | Object::Nodegroup(_)),
        About::Instance(instance) => is_instance(instance),
        About::Departure { instance, node } => {
            instance.is_some_and(|instance| is_instance(instance.as_str())) || node.is_some_and(is_node)
        }
        About::NewNode(node) => is_node(node),
        About::Nothing => false,
    }
}

/// The causes at the bottom of this wait, as the youngest diagnosis that knows it has them.
pub(super) fn roots<'a>(youngest_first: &[&'a Diagnosis], on: &WaitingOn) -> Vec<&'a Finding> {
    let known = youngest_first.iter().map(|diagnosis| roots_in(diagnosis, on));
    known.into_iter().find(|roots| !roots.is_empty()).unwrap_or_default()
}

/// What was found about a right that lacks, as the youngest diagnosis that knows it has it.
pub(super) fn of_refusal<'a>(youngest_first: &[&'a Diagnosis], refusal: &Refusal) -> Option<&'a Finding> {
    let Refusal::Forbidden { message } = refusal else { return None };
    let right = Object::Right(forbidden(message)?.right());
    youngest_first.iter().find_map(|diagnosis| diagnosis.blocking().find(|finding| finding.object == right))
}

fn roots_in<'a>(diagnosis: &'a Diagnosis, on: &WaitingOn) -> Vec<&'a Finding> {
    let folded = |root: &'a Finding| root.under.iter().chain(&root.because);
    let is_it = |root: &&Finding| is_about(on, &root.object);
    let at_it = |root: &&'a Finding| is_it(root) || folded(root).any(|folded| is_about(on, &folded.object));
    let roots: Vec<_> = diagnosis.blocking().filter(at_it).collect();
    let holds = |root: &&Finding| holds(root, on);
    if roots.is_empty() { diagnosis.blocking().filter(holds).collect() } else { roots }
}

/// Whether a root that hangs elsewhere holds what is waited for: what refuses an eviction at the webhook, what keeps a pod
/// from ending at its node, who ends new instances at the group.
fn holds(root: &Finding, on: &WaitingOn) -> bool {
    match on.about() {
        About::Eviction { pod, .. } => root.holds.pods.contains(pod),
        About::Stopping(pods) => pods.iter().any(|pod| root.holds.pods.contains(pod)),
        About::Instance(instance) => root.holds.instances.contains(&InstanceId::new(instance)),
        About::Budgets { .. }
        | About::BarePod(_)
        | About::Comeback { .. }
        | About::Launch
        | About::Group
        | About::Departure { .. }
        | About::NewNode(_)
        | About::Nothing => false,
    }
}

/// What was found at what is waited for, be it a root or a symptom of one.
fn own(diagnosis: &Diagnosis, on: &WaitingOn) -> Option<Cause> {
    let folded = diagnosis.findings.iter().flat_map(|root| root.under.iter().chain(&root.because));
    let mut all = diagnosis.findings.iter().chain(folded);
    all.find(|finding| is_about(on, &finding.object)).map(|finding| finding.cause)
}

/// The causes at the bottom of this wait that somebody must act on.
pub(super) fn found(diagnosis: Option<&Diagnosis>, on: &WaitingOn) -> BTreeSet<Cause> {
    diagnosis.into_iter().flat_map(|diagnosis| roots_in(diagnosis, on)).map(|root| root.cause).collect()
}

/// What is waited for in these words, behind the codes of what was found about it and before what the words do not
/// name: `PDB-EXHAUSTED <- POD-CRASH-LOOP pdb/shop/cart: 1 of 3 allowed out, cart-7d9f not Ready (exit 137)`.
pub(super) fn with_codes(diagnosis: Option<&Diagnosis>, on: &WaitingOn, words: String, names: &Names) -> String {
    let Some(diagnosis) = diagnosis else { return words };
    let roots = roots_in(diagnosis, on);
    if roots.is_empty() {
        return words;
    }
    let mut codes: Vec<_> = own(diagnosis, on).into_iter().chain(roots.iter().map(|root| root.cause)).collect();
    codes.dedup();
    let codes: Vec<_> = codes.into_iter().map(Cause::code).collect();
    // That something is waited for says nothing of why it does not come.
    let says_why = !matches!(on, WaitingOn::Launch { failure: None });
    let own = roots.iter().find(|root| !says_why && is_about(on, &root.object)).map(|root| why(root));
    let unnamed = roots.iter().filter(|root| !is_about(on, &root.object) && !words.contains(&root.object.called()));
    let below = unnamed.map(|root| names.shorten(&format!("; {} {}{}", root.cause, root.object, why(root))));
    format!("{} {words}{}{}", codes.join(" <- "), own.unwrap_or_default(), below.collect::<String>())
}

/// ` (CrashLoopBackOff, exit 137)`
fn why(root: &Finding) -> String {
    root.evidence.first().map_or_else(String::new, |proof| format!(" ({})", proof.says))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{By, Grade},
        report::fixtures::{budget, diagnosis, pod},
    };

    fn said(diagnosis: &Diagnosis, on: &WaitingOn, words: &str) -> String {
        with_codes(Some(diagnosis), on, words.to_owned(), &Names::default())
    }

    #[test]
    fn a_wait_names_its_code_and_its_root_and_the_root_once() {
        let on = WaitingOn::Budget(Box::new(budget()));
        let known = "pdb/shop/cart: 1 of 3 allowed out, cart-7d9f not Ready";
        assert_eq!(said(&diagnosis(), &on, known), format!("PDB-EXHAUSTED <- POD-CRASH-LOOP {known}"));
        let why = "POD-CRASH-LOOP pod/shop/cart-7d9f (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)";
        assert_eq!(
            said(&diagnosis(), &on, "pdb/shop/cart"),
            format!("PDB-EXHAUSTED <- POD-CRASH-LOOP pdb/shop/cart; {why}")
        );
        let other = WaitingOn::Unmanaged { pod: pod("shell") };
        assert_eq!(said(&diagnosis(), &other, known), known);
    }

    #[test]
    fn a_launch_that_does_not_come_says_why() {
        let group = Object::Asg("workers".into());
        let found =
            Finding::new(Cause::LaunchSuspended, group, "launches nothing").by(By::Status, "Launch is suspended");
        let diagnosis = Diagnosis { findings: vec![found], ..diagnosis() };
        let launch = |failure: Option<&str>| WaitingOn::Launch { failure: failure.map(str::to_owned) };
        let words = "a new instance to be launched";
        assert_eq!(said(&diagnosis, &launch(None), words), format!("LAUNCH-SUSPENDED {words} (Launch is suspended)"));
        assert_eq!(said(&diagnosis, &launch(Some("it failed")), "it failed"), "LAUNCH-SUSPENDED it failed");
    }

    #[test]
    fn what_takes_its_time_is_no_news_of_a_wait() {
        let mut waits = diagnosis();
        waits.findings[0].grade = Grade::Waits;
        let on = WaitingOn::Budget(Box::new(budget()));
        assert_eq!(found(Some(&waits), &on), BTreeSet::new());
        assert_eq!(found(Some(&diagnosis()), &on), BTreeSet::from([Cause::PodCrashLoop]));
    }

    #[test]
    fn one_that_comes_after_others_were_lost_is_told_with_who_ends_them() {
        let object = Object::Asg("eks-apps".into());
        let mut found = Finding::new(Cause::InstanceLost, object, "they are ended").by(By::Seen, "two were lost");
        found.holds.instances.insert("i-0f3a".into());
        let diagnosis = Diagnosis { findings: vec![found], ..diagnosis() };
        let comes = |instance: &str| WaitingOn::Join { instance: instance.to_owned(), lifecycle: "Pending".to_owned() };
        assert_eq!(self::found(Some(&diagnosis), &comes("i-0f3a")), BTreeSet::from([Cause::InstanceLost]));
        assert_eq!(self::found(Some(&diagnosis), &comes("i-0f3b")), BTreeSet::new());
    }

    #[test]
    fn a_refusal_is_found_by_the_pod_that_it_holds() {
        let object = Object::Right("create pods/eviction".to_owned());
        let mut found = Finding::new(Cause::BarePod, object, "mngup may not evict").by(By::Refusal, "forbidden");
        found.holds.pods.insert(pod("cart-1"));
        let diagnosis = Diagnosis { findings: vec![found], ..diagnosis() };
        let on = WaitingOn::Refused { pod: pod("cart-1"), message: "no".to_owned(), refusal: None };
        assert_eq!(roots(&[&diagnosis], &on).len(), 1);
    }

    #[test]
    fn a_pod_that_does_not_end_is_told_with_its_silent_kubelet() {
        let object = Object::Node("n1".into());
        let mut found = Finding::new(Cause::KubeletSilent, object, "it does not answer").by(By::Status, "Unknown");
        found.holds.pods.insert(pod("cart-1"));
        let diagnosis = Diagnosis { findings: vec![found], ..diagnosis() };
        let on = WaitingOn::PodsOverdue { pods: vec![pod("cart-1")], finalizers: Vec::new() };
        let on_another = WaitingOn::PodsOverdue { pods: vec![pod("cart-2")], finalizers: Vec::new() };
        assert_eq!(self::found(Some(&diagnosis), &on), BTreeSet::from([Cause::KubeletSilent]));
        assert_eq!(self::found(Some(&diagnosis), &on_another), BTreeSet::new());
    }
}
