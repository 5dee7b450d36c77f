//! The scheduler's sentence about a pod that it cannot place, taken apart: how many nodes for which reason.
//!
//! The words are those of its plugins (kubernetes/kubernetes `pkg/scheduler/framework/plugins`, 1.30 to 1.36, and older
//! ones where they differ); the sentence is put together in `FitError.Error` (`pkg/scheduler/framework/types.go`).

use crate::domain::Taint;

/// What the scheduler says, without what it says of preemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence<'a> {
    /// As it was said.
    pub(super) words: &'a str,
    /// All nodes that it looked at.
    pub(super) nodes: u32,
    /// Nodes by what keeps the pod off them; a node that is short of two things is counted for both.
    pub(super) reasons: Vec<(u32, Reason<'a>)>,
}

/// Why a node does not take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason<'a> {
    /// It is cordoned.
    Cordoned,
    /// It has a taint that the pod does not tolerate; schedulers before 1.36 name its key.
    Tainted(Option<&'a str>),
    /// It lacks a label that the pod asks for.
    Affinity,
    /// A pod that it must be near is not near.
    PodAffinity,
    /// A pod is there that must not be near, by the rule of the one or of the other.
    AntiAffinity,
    /// It would make the spread uneven.
    Spread,
    /// Too little of this is left: `cpu`, `memory`, `pods`, an extended resource.
    Room(&'a str),
    /// A volume of the pod cannot be used there.
    VolumeElsewhere,
    /// A claim of the pod has no volume yet, and none is made for it by waiting for the pod.
    Unbound,
    /// A claim of the pod does not exist: its name.
    NoClaim(&'a str),
    /// Something else, in the plugin's own words.
    Other(&'a str),
}

const AVAILABLE: &str = " nodes are available:";

/// Takes the sentence apart; none when it is of another form.
pub(super) fn parse(message: &str) -> Option<Sentence<'_>> {
    let (count, rest) = message.trim().strip_prefix("0/")?.split_once(AVAILABLE)?;
    let nodes: u32 = count.parse().ok()?;
    // What follows the first full stop is about preemption, and about devices that might be given back for it.
    let said = rest.split(". ").next().unwrap_or(rest).trim();
    let reasons: Vec<_> = clauses(said.trim_end_matches('.')).into_iter().map(|clause| reason(clause, nodes)).collect();
    let end = message.find(said).map_or(message.len(), |start| start + said.len());
    (!reasons.is_empty()).then(|| Sentence { words: message[..end].trim().trim_end_matches('.'), nodes, reasons })
}

/// Between commas stand clauses that begin with a number; another comma is part of a plugin's own words.
fn clauses(said: &str) -> Vec<&str> {
    let begins = |text: &str| count_of(text).is_some();
    let mut starts = vec![0];
    starts.extend(said.match_indices(", ").map(|(at, comma)| at + comma.len()).filter(|at| begins(&said[*at..])));
    let ends = starts.iter().skip(1).map(|start| start - 2).chain([said.len()]);
    starts.iter().zip(ends).map(|(start, end)| said[*start..end].trim()).filter(|clause| !clause.is_empty()).collect()
}

fn count_of(clause: &str) -> Option<(u32, &str)> {
    let (count, words) = clause.split_once(' ')?;
    Some((count.parse().ok()?, words))
}

/// A reason of some nodes; one without a number was found before any node was looked at, and is that of all.
fn reason(clause: &str, nodes: u32) -> (u32, Reason<'_>) {
    let (count, words) = count_of(clause).unwrap_or((nodes, clause));
    (count, Reason::of(words))
}

impl<'a> Reason<'a> {
    fn of(words: &'a str) -> Self {
        if let Some(resource) = words.strip_prefix("Insufficient ") {
            return Self::Room(resource);
        }
        if let Some(claim) =
            words.strip_prefix("persistentvolumeclaim \"").and_then(|rest| rest.strip_suffix("\" not found"))
        {
            return Self::NoClaim(claim);
        }
        let taint =
            ["node(s) had untolerated taint", "node(s) had taint"].iter().find_map(|said| words.strip_prefix(said));
        if let Some(taint) = taint {
            return Self::Tainted(taint.trim().strip_prefix('{').and_then(|named| named.split(':').next()));
        }
        match words {
            "node(s) were unschedulable" => Self::Cordoned,
            "Too many pods" => Self::Room("pods"),
            "node(s) didn't match Pod's node affinity/selector"
            | "node(s) didn't match node selector"
            | "node(s) didn't satisfy plugin(s) [NodeAffinity]"
            | "node(s) didn't match the requested node name" => Self::Affinity,
            "node(s) didn't match pod affinity rules" => Self::PodAffinity,
            "node(s) didn't match pod anti-affinity rules"
            | "node(s) didn't satisfy existing pods anti-affinity rules"
            | "node(s) didn't match pod affinity/anti-affinity rules" => Self::AntiAffinity,
            "node(s) didn't match pod topology spread constraints"
            | "node(s) didn't match pod topology spread constraints (missing required label)" => Self::Spread,
            "node(s) didn't match PersistentVolume's node affinity"
            | "node(s) had volume node affinity conflict"
            | "node(s) had no available volume zone"
            | "node(s) didn't satisfy plugin(s) [VolumeBinding]" => Self::VolumeElsewhere,
            "pod has unbound immediate PersistentVolumeClaims"
            | "node(s) didn't find available persistent volumes to bind" => Self::Unbound,
            other => Self::Other(other),
        }
    }

    /// What there is too little of.
    pub(super) fn resource(&self) -> Option<&str> {
        if let Self::Room(resource) = self { Some(resource) } else { None }
    }

    /// Whether it is about the node alone, for now: such nodes decide nothing as long as others remain.
    pub(super) fn is_out(&self) -> bool {
        match self {
            Self::Cordoned | Self::Tainted(_) => true,
            Self::Affinity
            | Self::PodAffinity
            | Self::AntiAffinity
            | Self::Spread
            | Self::Room(_)
            | Self::VolumeElsewhere
            | Self::Unbound
            | Self::NoClaim(_)
            | Self::Other(_) => false,
        }
    }
}

impl Sentence<'_> {
    /// Reasons of the nodes that are neither cordoned nor tainted.
    pub(super) fn remaining(&self) -> impl Iterator<Item = &Reason<'_>> {
        self.reasons.iter().map(|(_, reason)| reason).filter(|reason| !reason.is_out())
    }
}

/// Whether this taint is a node's own condition, or a cordon: it goes by itself, or by whoever set it there.
pub(super) fn is_condition(taint: &Taint) -> bool {
    taint.key.starts_with("node.kubernetes.io/") || taint.key.starts_with("node.cloudprovider.kubernetes.io/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sentences as schedulers of several versions said them.
    #[test]
    fn real_sentences_are_taken_apart() {
        use Reason::*;
        type Case<'a> = (&'a str, u32, &'a [(u32, Reason<'a>)]);
        let cases: &[Case<'_>] = &[
            (
                "0/12 nodes are available: 3 Insufficient cpu, 2 node(s) were unschedulable, 7 node(s) had untolerated \
                 taint(s). no new claims to deallocate, preemption: 0/12 nodes are available: 3 No preemption victims \
                 found for incoming pod, 9 Preemption is not helpful for scheduling.",
                12,
                &[(3, Room("cpu")), (2, Cordoned), (7, Tainted(None))],
            ),
            (
                "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 \
                 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is \
                 not helpful for scheduling..",
                3,
                &[(1, Tainted(Some("node-role.kubernetes.io/control-plane"))), (2, Affinity)],
            ),
            (
                "0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't \
                 tolerate, 2 Insufficient memory.",
                3,
                &[(1, Tainted(Some("node-role.kubernetes.io/master"))), (2, Room("memory"))],
            ),
            (
                "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) had \
                 untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is \
                 not helpful for scheduling.",
                2,
                &[(1, VolumeElsewhere), (1, Tainted(None))],
            ),
            (
                "0/6 nodes are available: 2 node(s) didn't match pod topology spread constraints, 4 node(s) didn't match \
                 PersistentVolume's node affinity.",
                6,
                &[(2, Spread), (4, VolumeElsewhere)],
            ),
            (
                "0/3 nodes are available: persistentvolumeclaim \"data-db-3\" not found. preemption: 0/3 nodes are \
                 available: 3 Preemption is not helpful for scheduling.",
                3,
                &[(3, NoClaim("data-db-3"))],
            ),
            (
                "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are \
                 available: 3 Preemption is not helpful for scheduling.",
                3,
                &[(3, Unbound)],
            ),
            ("0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims.", 1, &[(1, Unbound)]),
            (
                "0/9 nodes are available: 1 Too many pods, 2 Insufficient nvidia.com/gpu, 3 node(s) didn't match pod \
                 anti-affinity rules, 3 node(s) didn't satisfy existing pods anti-affinity rules.",
                9,
                &[(1, Room("pods")), (2, Room("nvidia.com/gpu")), (3, AntiAffinity), (3, AntiAffinity)],
            ),
            (
                "0/4 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 3 of a vendor's, \
                 with a comma.",
                4,
                &[
                    (1, Other("node(s) didn't have free ports for the requested pod ports")),
                    (3, Other("of a vendor's, with a comma")),
                ],
            ),
        ];
        for (message, nodes, reasons) in cases {
            let said = parse(message).unwrap();
            assert_eq!((said.nodes, said.reasons.as_slice()), (*nodes, *reasons), "{message}");
        }
    }

    #[test]
    fn what_it_says_of_preemption_is_left_out_and_what_is_no_such_sentence_is_left_alone() {
        let message =
            "0/2 nodes are available: 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.";
        assert_eq!(parse(message).unwrap().words, "0/2 nodes are available: 2 Insufficient cpu");
        for other in
            ["", "no nodes available to schedule pods", "nominated node was deleted", "0/x nodes are available: 1 a"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
