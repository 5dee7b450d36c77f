//! Label selectors and node selector terms.

use k8s_openapi::{
    api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::domain::{Requirement, Selector, SelectorOperator};

/// A label selector; an absent one matches nothing.
pub(super) fn label_selector(selector: Option<LabelSelector>) -> Selector {
    let Some(selector) = selector else { return Selector::nothing() };
    let mut converted = Selector::labels(selector.match_labels.unwrap_or_default());
    for expression in selector.match_expressions.unwrap_or_default() {
        let Some(operator) = operator(&expression.operator) else { return Selector::nothing() };
        let values = expression.values.unwrap_or_default();
        converted.requirements.push(Requirement { key: expression.key, operator, values });
    }
    converted
}

/// A node selector term together with what must hold besides it.
///
/// The only field that terms may match is the node's name, and what `DaemonSets` ask of it is about pods that exist, not
/// about which nodes they want; it is left out. A term that demands nothing at all matches no node.
pub(super) fn term(term: NodeSelectorTerm, beside: &[Requirement]) -> Selector {
    let expressions = term.match_expressions.unwrap_or_default();
    let fields = term.match_fields.unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return Selector::nothing();
    }
    let converted: Option<Vec<_>> = expressions.into_iter().map(requirement).collect();
    match converted {
        Some(requirements) => Selector { requirements: [beside, requirements.as_slice()].concat(), absent: false },
        None => Selector::nothing(),
    }
}

fn requirement(expression: NodeSelectorRequirement) -> Option<Requirement> {
    let operator = operator(&expression.operator)?;
    Some(Requirement { key: expression.key, operator, values: expression.values.unwrap_or_default() })
}

fn operator(name: &str) -> Option<SelectorOperator> {
    match name {
        "In" => Some(SelectorOperator::In),
        "NotIn" => Some(SelectorOperator::NotIn),
        "Exists" => Some(SelectorOperator::Exists),
        "DoesNotExist" => Some(SelectorOperator::DoesNotExist),
        "Gt" => Some(SelectorOperator::Gt),
        "Lt" => Some(SelectorOperator::Lt),
        _ => None,
    }
}
