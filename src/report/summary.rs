//! A journal in numbers: time per node and phase, evictions, refusals, who waited for what.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::history::{DeletedPod, Fate, History, NodeHistory};
use crate::{
    domain::{ClusterName, Finding, GroupName, InstanceId, NodeName, PodRef, RunId, Zone, elapsed},
    engine::event::{Record, RunOutcome, Stuck},
};

/// A run in numbers; serialised it is what `-o json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// The world of the sandbox that it happened in; none is a real cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// The cluster.
    pub cluster: Option<ClusterName>,
    /// The group.
    pub group: Option<GroupName>,
    /// The run.
    pub run: Option<RunId>,
    /// The only nodes that were to be replaced; empty means all old ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<NodeName>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended; none while it goes on, or when it broke off.
    pub ended_at: Option<Timestamp>,
    /// From its beginning to its end, or to the newest record.
    pub seconds: u64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Option<RunOutcome>,
    /// How often it was resumed.
    pub resumed: u32,
    /// Nodes that were replaced.
    pub replaced: u32,
    /// Old nodes that were left when it ended.
    pub left: Option<u32>,
    /// Pods that left a node with their budget's leave.
    pub pods_moved: u32,
    /// Evictions that the API server accepted.
    pub evictions: u32,
    /// Evictions that it refused.
    pub refusals: u32,
    /// Pods that were deleted without asking their budget.
    pub deleted: Vec<DeletedPod>,
    /// Pods that were still there when their node was terminated, by force.
    pub went_down: Vec<WentDown>,
    /// Each node whose turn came.
    pub nodes: Vec<NodeSummary>,
    /// Who waited for what, the longest first.
    pub waits: Vec<WaitSummary>,
    /// What went wrong.
    pub stuck: Vec<StuckSummary>,
    /// What was warned of, each once.
    pub warnings: Vec<String>,
}

/// A pod that went down with its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WentDown {
    /// Whom.
    pub pod: PodRef,
    /// With which node.
    pub node: NodeName,
}

/// A node in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeSummary {
    /// Its name; none when its instance never became a node.
    pub node: Option<NodeName>,
    /// Its instance.
    pub instance: InstanceId,
    /// Its zone.
    pub zone: Zone,
    /// What became of it.
    pub fate: Fate,
    /// Who serves instead of it.
    pub replaced_by: Option<NodeName>,
    /// When its turn came.
    pub chosen_at: Timestamp,
    /// From its turn until nothing was left that must leave.
    pub drain_seconds: Option<u64>,
    /// From then until its termination was asked for.
    pub settle_seconds: Option<u64>,
    /// From then until its instance had left.
    pub terminate_seconds: Option<u64>,
    /// From then until a new node served.
    pub replace_seconds: Option<u64>,
    /// All of its turn.
    pub total_seconds: Option<u64>,
    /// Pods that left it.
    pub pods: u32,
    /// Evictions that were refused.
    pub refusals: u32,
    /// Pods that were deleted.
    pub deleted: u32,
}

/// Who waited for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WaitSummary {
    /// Node or instance, by title.
    pub who: String,
    /// For what.
    pub what: String,
    /// How long, all together.
    pub seconds: u64,
    /// Whether it stood in the way, beyond what every node takes its time for.
    pub blocks: bool,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StuckSummary {
    /// With whom; none when it is about an extra node.
    pub who: Option<String>,
    /// `PodEvictionFailure`, `NodeCreationFailure` or `Refused`.
    pub name: &'static str,
    /// In full.
    pub why: Stuck,
    /// What was found at the bottom of it, as a diagnosis has it.
    pub causes: Vec<Finding>,
}

impl From<&History> for Summary {
    fn from(history: &History) -> Self {
        let last = history.last_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let until = history.ended.as_ref().map_or(last, |ended| ended.at);
        let waits = history.waits.all(until).into_iter().filter(|wait| wait.took >= Duration::from_secs(1));
        Self {
            sandbox: None,
            cluster: history.cluster.clone(),
            group: history.group.clone(),
            run: history.run.clone(),
            only: history.only.clone(),
            started_at: history.started_at,
            ended_at: history.ended.as_ref().map(|ended| ended.at),
            seconds: history.started_at.map_or(0, |since| elapsed(since, until).as_secs()),
            outcome: history.ended.as_ref().map(|ended| ended.outcome.clone()),
            resumed: history.resumed,
            warnings: history.warnings.clone(),
            replaced: u32::try_from(history.replaced().count()).unwrap_or(u32::MAX),
            left: history.ended.as_ref().map(|ended| ended.left),
            pods_moved: history.moved(),
            evictions: history.evicted,
            refusals: history.refused,
            deleted: history.deleted.clone(),
            went_down: history.went_down.iter().cloned().map(|(pod, node)| WentDown { pod, node }).collect(),
            nodes: history.nodes.iter().map(NodeSummary::from).collect(),
            waits: waits
                .map(|wait| WaitSummary {
                    who: wait.who,
                    what: wait.what,
                    seconds: wait.took.as_secs(),
                    blocks: wait.blocks,
                })
                .collect(),
            stuck: history
                .stuck
                .iter()
                .zip(&history.causes)
                .map(|((member, why), causes)| StuckSummary {
                    who: member.as_ref().map(crate::engine::event::Member::title),
                    name: match why {
                        Stuck::PodEviction { .. } => "PodEvictionFailure",
                        Stuck::NodeCreation { .. } => "NodeCreationFailure",
                        Stuck::Refused { .. } => "Refused",
                    },
                    why: why.clone(),
                    causes: causes.clone(),
                })
                .collect(),
        }
    }
}

impl From<&NodeHistory> for NodeSummary {
    fn from(node: &NodeHistory) -> Self {
        let [drain, settle, terminate, replace] = node.steps().map(|step| step.map(|step| step.as_secs()));
        Self {
            node: node.member.node.clone(),
            instance: node.member.instance.clone(),
            zone: node.member.zone.clone(),
            fate: node.fate,
            replaced_by: node.by.clone(),
            chosen_at: node.chosen_at,
            drain_seconds: drain,
            settle_seconds: settle,
            terminate_seconds: terminate,
            replace_seconds: replace,
            total_seconds: node.replaced_at.map(|at| elapsed(node.chosen_at, at).as_secs()),
            pods: node.pods(),
            refusals: node.refused,
            deleted: u32::try_from(node.deleted.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Summary {
    /// The summary of these records.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        Self::from(&History::of(records))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_snapshot;
    use serde::{
        Deserializer,
        de::{Error, MapAccess, SeqAccess, Visitor},
    };

    use super::*;
    use crate::report::fixtures::{Tale, blocked, node};

    /// A JSON object whose keys are all different, and so are those of the objects in it.
    struct EachKeyOnce;

    impl<'de> serde::Deserialize<'de> for EachKeyOnce {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Self)
        }
    }

    impl<'de> Visitor<'de> for EachKeyOnce {
        type Value = Self;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("JSON")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self, M::Error> {
            let mut keys = BTreeSet::new();
            while let Some((key, Self)) = map.next_entry::<String, Self>()? {
                if !keys.insert(key.clone()) {
                    return Err(M::Error::custom(format!("{key} is there twice")));
                }
            }
            Ok(self)
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self, S::Error> {
            while seq.next_element::<Self>()?.is_some() {}
            Ok(self)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }
    }

    /// The outcome that comes after this one; none after the last.
    fn after(outcome: &RunOutcome) -> Option<RunOutcome> {
        Some(match outcome {
            RunOutcome::Done => RunOutcome::Quarantined { nodes: [node(1, 9)].into() },
            RunOutcome::Quarantined { .. } => RunOutcome::EvictionFailed,
            RunOutcome::EvictionFailed => RunOutcome::ReplacementFailed,
            RunOutcome::ReplacementFailed => RunOutcome::Refused { why: "no right".to_owned() },
            RunOutcome::Refused { .. } => RunOutcome::Interrupted,
            RunOutcome::Interrupted => RunOutcome::Aborted,
            RunOutcome::Aborted => RunOutcome::NotTakenBack { what: vec!["a maximum".to_owned()] },
            RunOutcome::NotTakenBack { .. } => RunOutcome::InvariantBroken { what: "the budget".to_owned() },
            RunOutcome::InvariantBroken { .. } => return None,
        })
    }

    #[test]
    fn no_key_is_there_twice_however_a_run_ends() {
        assert!(serde_json::from_str::<EachKeyOnce>(r#"{"a": [{"b": 1, "b": null}]}"#).is_err());
        for outcome in std::iter::successors(Some(RunOutcome::Done), after) {
            let mut tale = blocked();
            tale.end(500, outcome.clone(), 10, 2);
            let document = serde_json::to_string(&Summary::of(&tale.0)).unwrap();
            let said = serde_json::from_str::<EachKeyOnce>(&document).err();
            assert!(said.is_none(), "{outcome:?}: {}", said.unwrap());
            for record in &tale.0 {
                let line = serde_json::to_string(record).unwrap();
                assert!(serde_json::from_str::<EachKeyOnce>(&line).is_ok(), "{line}");
                assert_eq!(&serde_json::from_str::<Record>(&line).unwrap(), record);
            }
        }
    }

    #[test]
    fn a_journal_of_an_older_mngup_is_read() {
        let line = r#"{"at":"2026-11-21T09:00:00Z","event":"run-ended","outcome":"quarantined","nodes":["a1"],"left":1,"replaced":2}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        let outcome = RunOutcome::Quarantined { nodes: ["a1".into()].into() };
        assert_eq!(Summary::of(&[record]).outcome, Some(outcome));
        let mut tale = Tale::begin(2);
        tale.end(9, RunOutcome::Quarantined { nodes: ["a1".into()].into() }, 1, 1);
        assert!(serde_json::to_string(&tale.0).unwrap().contains(r#""quarantined":["a1"]"#));
    }

    #[test]
    fn programs_get_numbers() {
        let mut summary = Summary::of(&blocked().0);
        summary.nodes.truncate(1);
        assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap(), @r#"
        {
          "cluster": "prod",
          "group": {
            "nodegroup": "apps"
          },
          "run": "r-1121-0900",
          "started-at": "2026-11-21T09:00:00Z",
          "ended-at": null,
          "seconds": 411,
          "resumed": 0,
          "replaced": 2,
          "left": null,
          "pods-moved": 42,
          "evictions": 42,
          "refusals": 1,
          "deleted": [],
          "went-down": [],
          "nodes": [
            {
              "node": "ip-10-0-1-1.eu-west-1.compute.internal",
              "instance": "i-0f3a01",
              "zone": "eu-west-1b",
              "fate": "replaced",
              "replaced-by": "ip-10-0-4-1.eu-west-1.compute.internal",
              "chosen-at": "2026-11-21T09:00:04Z",
              "drain-seconds": 38,
              "settle-seconds": 60,
              "terminate-seconds": 18,
              "replace-seconds": 124,
              "total-seconds": 240,
              "pods": 14,
              "refusals": 0,
              "deleted": 0
            }
          ],
          "waits": [
            {
              "who": "node/ip-10-0-1-3.eu-west-1.compute.internal",
              "what": "pdb/shop/cart",
              "seconds": 151,
              "blocks": true
            }
          ],
          "stuck": [],
          "warnings": []
        }
        "#);
    }
}
