//! What a pod demands of its node's labels.

use serde_json::Value;

use crate::domain::{ClusterNode, Requirement, Selector, SelectorOperator};

/// Labels that a pod demands of its node.
#[derive(Debug)]
pub(super) struct Demands {
    /// `nodeSelector`: all of them.
    all: Vec<Requirement>,
    /// Required node affinity: one of these terms; none of them demanded when there are none.
    terms: Vec<Selector>,
}

impl Demands {
    pub(super) fn of(template: &Value) -> Self {
        let selector = template["nodeSelector"].as_object().into_iter().flatten();
        let selector = selector.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        let required = &template["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = required["nodeSelectorTerms"].as_array().into_iter().flatten();
        let terms = terms.map(|term| {
            let demands = term["matchExpressions"].as_array().into_iter().flatten();
            Selector { requirements: demands.filter_map(requirement).collect(), absent: false }
        });
        Self { all: Selector::labels(selector).requirements, terms: terms.collect() }
    }

    /// Whether it may go there as far as labels count.
    pub(super) fn are_met_by(&self, node: &ClusterNode) -> bool {
        let term = self.terms.is_empty() || self.terms.iter().any(|term| term.matches(&node.labels));
        term && self.all.iter().all(|demand| demand.holds(&node.labels))
    }

    /// Demands that none of these nodes meets; all of them where each is met somewhere, and not together.
    pub(super) fn unmet(&self, nodes: &[&ClusterNode]) -> Vec<Requirement> {
        let every: Vec<_> =
            self.all.iter().chain(self.terms.iter().flat_map(|term| &term.requirements)).cloned().collect();
        let nowhere = |demand: &&Requirement| !nodes.iter().any(|node| demand.holds(&node.labels));
        let unmet: Vec<_> = every.iter().filter(nowhere).cloned().collect();
        if unmet.is_empty() { every } else { unmet }
    }
}

fn requirement(expression: &Value) -> Option<Requirement> {
    let operator = match expression["operator"].as_str()? {
        "In" => SelectorOperator::In,
        "NotIn" => SelectorOperator::NotIn,
        "Exists" => SelectorOperator::Exists,
        "DoesNotExist" => SelectorOperator::DoesNotExist,
        "Gt" => SelectorOperator::Gt,
        "Lt" => SelectorOperator::Lt,
        _ => return None,
    };
    let values = expression["values"].as_array().into_iter().flatten();
    let values = values.filter_map(|value| Some(value.as_str()?.to_owned())).collect();
    Some(Requirement { key: expression["key"].as_str()?.to_owned(), operator, values })
}
