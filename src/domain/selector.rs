//! Label selectors: which pods a budget counts, which nodes a `DaemonSet` wants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A `metav1.LabelSelector`, or a node selector term: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// What is demanded; nothing demanded matches everything.
    pub requirements: Vec<Requirement>,
    /// A selector that was absent, which matches nothing in `policy/v1`; an empty one matches everything.
    pub absent: bool,
}

/// One demand on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// The comparison.
    pub operator: Operator,
    /// What it is compared with; empty for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The value is one of these.
    In,
    /// The value is none of these, or the label is absent.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// The value is a number above this one (node selectors only).
    Gt,
    /// The value is a number below this one (node selectors only).
    Lt,
}

impl Selector {
    /// A selector that demands these labels with these values.
    pub fn labels<K: Into<String>, V: Into<String>>(labels: impl IntoIterator<Item = (K, V)>) -> Self {
        let requirements = labels
            .into_iter()
            .map(|(key, value)| Requirement { key: key.into(), operator: Operator::In, values: vec![value.into()] })
            .collect();
        Self { requirements, absent: false }
    }

    /// A selector that matches nothing, as an absent one does.
    #[must_use]
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), absent: true }
    }

    /// Whether these labels satisfy every demand (apimachinery `pkg/labels/selector.go`).
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.absent && self.requirements.iter().all(|requirement| requirement.holds(labels))
    }

    /// The selector as a list request writes it, `app=cart,tier in (a,b)`.
    #[must_use]
    pub fn to_query(&self) -> String {
        let written = self.requirements.iter().map(|requirement| {
            let (key, values) = (&requirement.key, requirement.values.join(","));
            match requirement.operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
                Operator::Gt => format!("{key} gt {values}"),
                Operator::Lt => format!("{key} lt {values}"),
            }
        });
        written.collect::<Vec<_>>().join(",")
    }
}

impl Requirement {
    /// Whether these labels satisfy it.
    #[must_use]
    pub fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = |text: &String| text.parse::<i64>().ok();
        let bound = self.values.first().and_then(number);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
            Operator::Lt => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_matches_everything_and_absent_nothing() {
        let labels = BTreeMap::from([("app".to_owned(), "cart".to_owned())]);
        assert!(Selector::default().matches(&labels));
        assert!(!Selector::nothing().matches(&labels));
        assert!(Selector::labels([("app", "cart")]).matches(&labels));
        assert!(!Selector::labels([("app", "cart"), ("tier", "web")]).matches(&labels));
    }
}
