//! What was said about a policy, setting by setting: what was not said stays as it is.

use std::{collections::BTreeSet, time::Duration};

use super::{IntOrPercent, NodeName, Order, Policy, Undrainable};

/// Settings that were given, by flag or variable; none leaves a setting as it was.
///
/// A run that goes on keeps the policy that the cluster remembers, and these change it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// [`Policy::max_unavailable`]
    pub max_unavailable: Option<IntOrPercent>,
    /// [`Policy::max_surge`]
    pub max_surge: Option<IntOrPercent>,
    /// [`Policy::node_interval`]
    pub node_interval: Option<Duration>,
    /// [`Policy::all_nodes`]
    pub all_nodes: Option<bool>,
    /// [`Policy::only`]
    pub only: Option<BTreeSet<NodeName>>,
    /// [`Policy::order`]
    pub order: Option<Order>,
    /// [`Policy::drain_timeout`]
    pub drain_timeout: Option<Duration>,
    /// [`Policy::force`]
    pub force: Option<bool>,
    /// [`Policy::delete_unmanaged`]
    pub delete_unmanaged: Option<bool>,
    /// [`Policy::disable_eviction`]
    pub disable_eviction: Option<bool>,
    /// [`Policy::grace_period`]
    pub grace_period: Option<u32>,
    /// [`Policy::max_grace_period`]
    pub max_grace_period: Option<u32>,
    /// [`Policy::skip_wait_for_delete`]; nothing at all waits for every pod.
    pub skip_wait_for_delete: Option<Duration>,
    /// [`Policy::post_drain_delay`]
    pub post_drain_delay: Option<Duration>,
    /// [`Policy::replacement_timeout`]
    pub replacement_timeout: Option<Duration>,
    /// [`Policy::undrainable`]
    pub undrainable: Option<Undrainable>,
    /// [`Policy::max_quarantined`]
    pub max_quarantined: Option<u32>,
}

/// One setting as the command line writes it.
struct Written {
    flag: &'static str,
    value: Value,
}

#[derive(PartialEq, Eq)]
enum Value {
    /// Nobody said anything.
    Unsaid,
    /// A switch.
    Switch(bool),
    /// Anything else, once for each time the flag is written.
    Texts(Vec<String>),
}

impl Settings {
    /// Everything that this policy says.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            max_unavailable: policy.max_unavailable,
            max_surge: policy.max_surge,
            node_interval: Some(policy.node_interval),
            all_nodes: Some(policy.all_nodes),
            only: Some(policy.only.clone()).filter(|only| !only.is_empty()),
            order: Some(policy.order),
            drain_timeout: Some(policy.drain_timeout),
            force: Some(policy.force),
            delete_unmanaged: Some(policy.delete_unmanaged),
            disable_eviction: Some(policy.disable_eviction),
            grace_period: policy.grace_period,
            max_grace_period: policy.max_grace_period,
            skip_wait_for_delete: Some(policy.skip_wait_for_delete.unwrap_or_default()),
            post_drain_delay: Some(policy.post_drain_delay),
            replacement_timeout: Some(policy.replacement_timeout),
            undrainable: Some(policy.undrainable),
            max_quarantined: Some(policy.max_quarantined),
        }
    }

    /// The policy with what was given now in the place of what it said.
    #[must_use]
    pub fn over(&self, policy: &Policy) -> Policy {
        Policy {
            max_unavailable: self.max_unavailable.or(policy.max_unavailable),
            max_surge: self.max_surge.or(policy.max_surge),
            drain_timeout: self.drain_timeout.unwrap_or(policy.drain_timeout),
            force: self.force.unwrap_or(policy.force),
            post_drain_delay: self.post_drain_delay.unwrap_or(policy.post_drain_delay),
            replacement_timeout: self.replacement_timeout.unwrap_or(policy.replacement_timeout),
            grace_period: self.grace_period.or(policy.grace_period),
            max_grace_period: self.max_grace_period.or(policy.max_grace_period),
            delete_unmanaged: self.delete_unmanaged.unwrap_or(policy.delete_unmanaged),
            disable_eviction: self.disable_eviction.unwrap_or(policy.disable_eviction),
            skip_wait_for_delete: match self.skip_wait_for_delete {
                Some(timeout) => Some(timeout).filter(|timeout| !timeout.is_zero()),
                None => policy.skip_wait_for_delete,
            },
            undrainable: self.undrainable.unwrap_or(policy.undrainable),
            max_quarantined: self.max_quarantined.unwrap_or(policy.max_quarantined),
            all_nodes: self.all_nodes.unwrap_or(policy.all_nodes),
            only: self.only.clone().unwrap_or_else(|| policy.only.clone()),
            order: self.order.unwrap_or(policy.order),
            node_interval: self.node_interval.unwrap_or(policy.node_interval),
        }
    }

    /// The words of a command line that say the same.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.written().into_iter().flat_map(Written::words).collect()
    }

    fn written(&self) -> [Written; 17] {
        let said = |flag, text: Option<String>| {
            let value = text.map_or(Value::Unsaid, |text| Value::Texts(vec![text]));
            Written { flag, value }
        };
        let switch = |flag, on: Option<bool>| Written { flag, value: on.map_or(Value::Unsaid, Value::Switch) };
        let names = self.only.as_ref().map(|only| only.iter().map(ToString::to_string).collect());
        [
            said("--max-unavailable", self.max_unavailable.map(|said| said.to_string())),
            said("--max-surge", self.max_surge.map(|said| said.to_string())),
            said("--node-interval", self.node_interval.map(span)),
            switch("--all-nodes", self.all_nodes),
            Written { flag: "--node", value: names.map_or(Value::Unsaid, Value::Texts) },
            said("--order", self.order.map(|order| order.to_string())),
            said("--drain-timeout", self.drain_timeout.map(span)),
            switch("--force", self.force),
            switch("--delete-unmanaged", self.delete_unmanaged),
            switch("--disable-eviction", self.disable_eviction),
            said("--grace-period", self.grace_period.map(|seconds| seconds.to_string())),
            said("--max-grace-period", self.max_grace_period.map(|seconds| seconds.to_string())),
            said("--skip-wait-for-delete-timeout", self.skip_wait_for_delete.map(span)),
            said("--post-drain-delay", self.post_drain_delay.map(span)),
            said("--replacement-timeout", self.replacement_timeout.map(span)),
            said("--undrainable-node-behavior", self.undrainable.map(|what| what.to_string())),
            said("--max-quarantined", self.max_quarantined.map(|nodes| nodes.to_string())),
        ]
    }
}

impl Policy {
    /// The words of a command line that make this policy of the default one.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let default = Settings::of(&Self::default()).written();
        let ours = Settings::of(self).written().into_iter().zip(default);
        ours.filter(|(ours, default)| ours.value != default.value).flat_map(|(ours, _)| ours.words()).collect()
    }

    /// What this policy says otherwise than `before`, a phrase a setting: `--max-surge 0 instead of 2`.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<String> {
        let pairs = Settings::of(self).written().into_iter().zip(Settings::of(before).written());
        pairs.filter(|(now, before)| now.value != before.value).map(|(now, before)| now.instead_of(&before)).collect()
    }
}

impl Written {
    fn words(self) -> Vec<String> {
        match self.value {
            Value::Unsaid => Vec::new(),
            Value::Switch(true) => vec![self.flag.to_owned()],
            Value::Switch(false) => vec![format!("{}=false", self.flag)],
            Value::Texts(texts) => texts.into_iter().flat_map(|text| [self.flag.to_owned(), text]).collect(),
        }
    }

    fn instead_of(&self, before: &Self) -> String {
        let flag = self.flag;
        match (&self.value, &before.value) {
            (Value::Switch(true), _) => format!("{flag}, which was off"),
            (Value::Switch(false), _) => format!("{flag}=false, which was on"),
            (Value::Unsaid, _) => format!("no {flag} any more"),
            (Value::Texts(now), Value::Unsaid | Value::Switch(_)) => format!("{flag} {}", now.join(",")),
            (Value::Texts(now), Value::Texts(before)) => {
                format!("{flag} {} instead of {}", now.join(","), before.join(","))
            }
        }
    }
}

/// A span as a flag takes it, to the millisecond.
fn span(span: Duration) -> String {
    match (span.as_millis(), span.as_secs()) {
        (millis, _) if millis % 1000 != 0 => format!("{millis}ms"),
        (_, seconds) if seconds >= 60 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (_, seconds) => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn odd() -> Policy {
        Policy {
            max_surge: Some(IntOrPercent::Percent(25)),
            only: ["b", "a"].map(NodeName::from).into(),
            drain_timeout: Duration::from_secs(3661),
            force: true,
            skip_wait_for_delete: Some(Duration::from_secs(45)),
            undrainable: Undrainable::Quarantine,
            ..Policy::default()
        }
    }

    #[test]
    fn what_was_not_given_stays_and_what_was_given_counts() {
        assert_eq!(Settings::default().over(&odd()), odd());
        assert_eq!(Settings::of(&odd()).over(&Policy::default()), odd());
        let now = Settings { force: Some(false), skip_wait_for_delete: Some(Duration::ZERO), ..Settings::default() };
        assert_eq!(now.over(&odd()), Policy { force: false, skip_wait_for_delete: None, ..odd() });
    }

    #[test]
    fn a_policy_is_written_as_what_differs_from_the_default() {
        assert_eq!(Policy::default().words(), Vec::<String>::new());
        assert_snapshot!(odd().words().join(" "), @"--max-surge 25% --node a --node b --drain-timeout 3661s --force --skip-wait-for-delete-timeout 45s --undrainable-node-behavior quarantine");
        let now = Settings { force: Some(false), ..Settings::default() };
        assert_snapshot!(now.words().join(" "), @"--force=false");
    }

    #[test]
    fn what_changed_is_told_setting_by_setting() {
        let now = Policy {
            force: false,
            max_surge: Some(IntOrPercent::Int(0)),
            max_unavailable: Some(IntOrPercent::Int(2)),
            ..odd()
        };
        assert_snapshot!(now.changes(&odd()).join("; "), @"--max-unavailable 2; --max-surge 0 instead of 25%; --force=false, which was on");
        assert_eq!(odd().changes(&odd()), Vec::<String>::new());
    }
}
