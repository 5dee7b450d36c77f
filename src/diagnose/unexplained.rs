//! What holds and nobody can say why: told, for silence would look like all is well.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, limits, remedy, scene::Scene};
use crate::{
    domain::{Ask, By, Cause, Finding, Held, NodeName, Object, Pod, Refusal, Stand, Subject, Sure, Uid},
    drain::Fate,
};

/// Found last, by what the ranking leaves over.
pub(super) const RULE: Rule = Rule { causes: &[Cause::Unexplained], find: |_, _| {} };

/// Pods that are to leave and that nothing that was found holds. In a run most leave in the next moment; without one nobody
/// has asked them to, and only those count that the server does not let go.
pub(super) fn pods<'a>(scene: &Scene<'a>, found: &[Finding]) -> Vec<(&'a NodeName, &'a Pod)> {
    let explains = |finding: &&Finding| finding.cause.stand() != Stand::Aside;
    let explained: BTreeSet<&Uid> =
        found.iter().filter(explains).flat_map(|finding| &finding.holds.pods).map(|pod| &pod.uid).collect();
    let is_asked = |pod: &Pod| scene.view.run.is_some() || refusal(scene, pod).is_some();
    let waits = scene.leavers.iter().filter(|leaver| leaver.fate == Fate::Leaves && is_asked(leaver.pod));
    let left = waits.filter(|leaver| !explained.contains(&leaver.pod.id.uid));
    left.map(|leaver| (&leaver.node.name, leaver.pod)).collect()
}

/// What to say of those that have stood still for long, a finding a node.
pub(super) fn findings(scene: &Scene<'_>, pods: &[(&NodeName, &Pod)]) -> Vec<Finding> {
    let mut by_node: BTreeMap<&NodeName, Vec<&Pod>> = BTreeMap::new();
    for (node, pod) in pods {
        let since = scene.view.memory.unexplained_pod_since(&pod.id.uid);
        if scene.view.run.is_none() || since.is_some_and(|since| scene.since(since) >= limits::UNEXPLAINED) {
            by_node.entry(node).or_default().push(pod);
        }
    }
    by_node.into_iter().map(|(node, pods)| finding(scene, node, &pods)).collect()
}

/// What the server said last to its eviction, be it asked for or only tried.
fn refusal<'a>(scene: &Scene<'a>, pod: &Pod) -> Option<&'a Refusal> {
    match scene.view.run {
        Some(run) => run.refusal(&pod.id.uid).map(|(refusal, _)| refusal),
        // Before an upgrade nobody tries.
        None if *scene.view.subject == Subject::BeforeUpgrade => None,
        None => scene.view.dossier.answer(&Ask::try_eviction(&pod.id)).known()?.as_ref(),
    }
}

fn finding(scene: &Scene<'_>, node: &NodeName, pods: &[&Pod]) -> Finding {
    let since = pods.iter().filter_map(|pod| scene.view.memory.unexplained_pod_since(&pod.id.uid)).min();
    let says = format!("pods do not leave node/{node}, and nothing that can be seen says why");
    let why = "no budget, no finalizer, no grace period and no refusal that is known holds them";
    let mut finding = Finding::new(Cause::Unexplained, Object::Node(node.clone()), says)
        .sure(Sure::Possible)
        .by(By::Absence, why)
        .since(since)
        .remedies(remedy::unexplained(node, pods));
    let said: BTreeSet<String> = pods.iter().filter_map(|pod| refusal(scene, pod)).map(ToString::to_string).collect();
    finding =
        said.into_iter().fold(finding, |finding, said| finding.by(By::Refusal, format!("the server says: {said}")));
    let held = pods.iter().map(|pod| pod.id.clone()).collect();
    finding.holds = Held { nodes: [node.clone()].into(), pods: held, ..Held::default() };
    finding
}
