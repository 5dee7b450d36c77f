//! What `abort` takes back, before it does and after it did.

use jiff::Timestamp;

use super::{fit, names::Names, wording};
use crate::domain::{ClusterName, GroupName, NodeName, Operator, Size, elapsed, short};

/// Traces of a run that are there to be taken back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Undoing {
    /// The cluster.
    pub cluster: ClusterName,
    /// The group.
    pub group: GroupName,
    /// Who began the run.
    pub operator: Operator,
    /// When.
    pub started_at: Timestamp,
    /// Nodes that it cordoned.
    pub cordoned: Vec<NodeName>,
    /// Nodes that it keeps out of load balancers.
    pub excluded: Vec<NodeName>,
    /// Nodes that it keeps pods away from, softly.
    pub tainted: Vec<NodeName>,
    /// Nodes that it shields from the cluster autoscaler.
    pub shielded: Vec<NodeName>,
    /// Whether it suspended `AZRebalance`, and that is still so.
    pub az_rebalance: bool,
    /// By how many nodes it made the group larger.
    pub extra: u32,
    /// The maximum that it raised, and what it was before.
    pub max: Option<(u32, u32)>,
    /// The group's size.
    pub size: Size,
}

impl Undoing {
    /// A few lines, for somebody who is asked to go ahead; `usize::MAX` breaks none.
    #[must_use]
    pub fn lines(&self, now: Timestamp, width: usize) -> Vec<String> {
        let Operator { user, host } = &self.operator;
        let age = short(elapsed(self.started_at, now));
        let head =
            format!("cluster/{}  {}   undo the run that {user}@{host} began {age} ago:", self.cluster, self.group);
        let mut lines = vec![head];
        lines.extend(self.traces().into_iter().map(|trace| format!("  {trace}")));
        if self.extra > 0 {
            let drained = if self.extra == 1 { "one node is" } else { "as many nodes are" };
            lines.push(format!("  {}: {drained} drained first, its pods' budgets are kept", self.shrinks()));
        }
        if lines.len() == 1 {
            lines.push("  nothing is left but what is remembered of it".to_owned());
        }
        lines.push("nodes that replaced others stay".to_owned());
        lines.iter().flat_map(|line| fit::hang(line, width)).collect()
    }

    /// What was taken back, and which nodes went so that the group has its size again.
    #[must_use]
    pub fn done(&self, gone: &[&str]) -> Option<String> {
        let mut taken = self.traces();
        if !gone.is_empty() {
            taken.push(format!("{} ({} drained and gone)", self.shrinks(), wording::list(gone)));
        }
        (!taken.is_empty()).then(|| format!("taken back: {}", taken.join(", ")))
    }

    fn traces(&self) -> Vec<String> {
        let mut names = Names::default();
        for node in self.cordoned.iter().chain(&self.excluded) {
            names.learn(node);
        }
        let named = |what: &str, nodes: &[NodeName]| {
            let short: Vec<_> = nodes.iter().map(|node| names.short(node)).collect();
            (!nodes.is_empty()).then(|| format!("{what} of {}", wording::list(&short)))
        };
        let counted = |what: &str, nodes: &[NodeName]| {
            let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
            (count > 0).then(|| format!("{what} of {}", wording::count(count, "node")))
        };
        [
            named("the cordon", &self.cordoned),
            named("the load balancer label", &self.excluded),
            counted("the soft taint", &self.tainted),
            counted("the shield against the cluster autoscaler", &self.shielded),
            self.az_rebalance.then(|| "the suspension of AZRebalance".to_owned()),
            self.max.map(|(now, before)| format!("the maximum of {now}, which was {before}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn shrinks(&self) -> String {
        let now = self.size.desired;
        format!("the size of {now}, which was {}", now.saturating_sub(self.extra))
    }
}

#[cfg(test)]
pub(super) fn sample() -> Undoing {
    use super::fixtures::{at, intent, node};

    let intent = intent(3);
    Undoing {
        cluster: intent.cluster,
        group: intent.group,
        operator: intent.operator,
        started_at: at(0),
        cordoned: vec![node(1, 2)],
        excluded: vec![node(1, 2)],
        tainted: vec![node(1, 2), node(1, 3)],
        shielded: vec![node(4, 1)],
        az_rebalance: true,
        extra: 1,
        max: Some((4, 3)),
        size: Size { min: 3, desired: 4, max: 4 },
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::fixtures::at;

    #[test]
    fn who_is_asked_sees_what_is_taken_back() {
        assert_snapshot!(sample().lines(at(720), 80).join("\n"), @"
        cluster/prod  nodegroup/apps   undo the run that ann@runner-7 began 12m ago:
          the cordon of ip-10-0-1-2
          the load balancer label of ip-10-0-1-2
          the soft taint of 2 nodes
          the shield against the cluster autoscaler of 1 node
          the suspension of AZRebalance
          the maximum of 4, which was 3
          the size of 4, which was 3: one node is drained first, its pods' budgets are
            kept
        nodes that replaced others stay
        ");
        let nothing = Undoing {
            cordoned: Vec::new(),
            excluded: Vec::new(),
            tainted: Vec::new(),
            shielded: Vec::new(),
            az_rebalance: false,
            extra: 0,
            max: None,
            ..sample()
        };
        assert_snapshot!(nothing.lines(at(720), 80).join("\n"), @"
        cluster/prod  nodegroup/apps   undo the run that ann@runner-7 began 12m ago:
          nothing is left but what is remembered of it
        nodes that replaced others stay
        ");
        assert_eq!(nothing.done(&[]), None);
    }
}
