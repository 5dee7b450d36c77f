//! Flags that say how a run goes, and the settings that they make.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{error::CliError, values};
use crate::domain::{Contradiction, IntOrPercent, NodeName, Order, Policy, Settings, Undrainable};

/// How a run goes. Nothing has a default here: what is not given may be what an earlier run remembers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How many at a time")]
pub struct PolicyArgs {
    /// Nodes that may be out at a time; a percentage rounds down, to at least 1
    /// [default: the group's updateConfig, else 1]
    #[arg(long, env = "MNGUP_MAX_UNAVAILABLE", hide_env = true, value_name = "N|N%", allow_hyphen_values = true)]
    pub max_unavailable: Option<IntOrPercent>,
    /// Extra nodes that carry the load meanwhile; a percentage rounds up
    /// [default: 1, or 0 where the group's strategy is MINIMAL]
    #[arg(long, env = "MNGUP_MAX_SURGE", hide_env = true, value_name = "N|N%", allow_hyphen_values = true)]
    pub max_surge: Option<IntOrPercent>,
    /// The least time between two nodes' turns [default: 0s]
    #[arg(long, env = "MNGUP_NODE_INTERVAL", hide_env = true, value_name = "TIME", value_parser = values::span)]
    #[arg(allow_hyphen_values = true)]
    pub node_interval: Option<Duration>,

    /// Replace nodes that are not old too (kops calls this --force)
    #[arg(long, env = "MNGUP_ALL_NODES", hide_env = true, value_parser = values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[arg(help_heading = "Which nodes")]
    pub all_nodes: Option<bool>,
    /// Only this node; may be given more than once. Its name may end before the first dot
    #[arg(long, env = "MNGUP_NODE", hide_env = true, value_name = "NAME", value_delimiter = ',')]
    #[arg(help_heading = "Which nodes")]
    pub node: Vec<String>,
    /// Which node first: zone keeps the zones even (oldest first within one), oldest, newest, name [default: zone]
    #[arg(long, env = "MNGUP_ORDER", hide_env = true, value_name = "ORDER")]
    #[arg(hide_possible_values = true, help_heading = "Which nodes")]
    pub order: Option<OrderArg>,

    /// How long the pods of a node may take to leave [default: 15m]
    #[arg(long, env = "MNGUP_DRAIN_TIMEOUT", hide_env = true, value_name = "TIME")]
    #[arg(value_parser = values::some_span, allow_hyphen_values = true, help_heading = "Draining")]
    pub drain_timeout: Option<Duration>,
    /// When the drain timeout runs out, delete the pods that are left, whatever their budgets say (as EKS does)
    #[arg(long, env = "MNGUP_FORCE", hide_env = true, value_parser = values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[arg(help_heading = "Draining")]
    pub force: Option<bool>,
    /// Remove pods that no controller brings back (kubectl calls this --force)
    #[arg(long, env = "MNGUP_DELETE_UNMANAGED", hide_env = true, value_parser = values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[arg(help_heading = "Draining")]
    pub delete_unmanaged: Option<bool>,
    /// Delete at once instead of evict, which ignores every budget
    #[arg(long, env = "MNGUP_DISABLE_EVICTION", hide_env = true, value_parser = values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[arg(help_heading = "Draining")]
    pub disable_eviction: Option<bool>,
    /// Seconds (or a time) that replace every pod's own grace period [default: the pod's own]
    #[arg(long, env = "MNGUP_GRACE_PERIOD", hide_env = true, value_name = "TIME", value_parser = values::grace)]
    #[arg(allow_hyphen_values = true, help_heading = "Draining")]
    pub grace_period: Option<u32>,
    /// Seconds (or a time) that cap every pod's own grace period [default: no cap]
    #[arg(long, env = "MNGUP_MAX_GRACE_PERIOD", hide_env = true, value_name = "TIME", value_parser = values::grace)]
    #[arg(allow_hyphen_values = true, help_heading = "Draining")]
    pub max_grace_period: Option<u32>,
    /// No longer wait for pods that were to be gone so long ago; 0 waits for them [default: 0s]
    #[arg(long, env = "MNGUP_SKIP_WAIT_FOR_DELETE_TIMEOUT", hide_env = true, value_name = "TIME")]
    #[arg(value_parser = values::seconds_or_span, allow_hyphen_values = true, help_heading = "Draining")]
    pub skip_wait_for_delete_timeout: Option<Duration>,

    /// Between the last pod and the termination, so that load balancers let go of the node [default: 60s]
    #[arg(long, env = "MNGUP_POST_DRAIN_DELAY", hide_env = true, value_name = "TIME")]
    #[arg(value_parser = values::span, allow_hyphen_values = true, help_heading = "Replacing")]
    pub post_drain_delay: Option<Duration>,
    /// How long a replacement may take until it serves [default: 15m]
    #[arg(long, env = "MNGUP_REPLACEMENT_TIMEOUT", hide_env = true, value_name = "TIME")]
    #[arg(value_parser = values::some_span, allow_hyphen_values = true, help_heading = "Replacing")]
    pub replacement_timeout: Option<Duration>,

    /// When a node cannot be drained: stop (uncordon it, end the run) or quarantine (leave it cordoned, go on)
    /// [default: stop]
    #[arg(long, env = "MNGUP_UNDRAINABLE_NODE_BEHAVIOR", hide_env = true, value_name = "WHAT")]
    #[arg(hide_possible_values = true, help_heading = "When it does not work out")]
    pub undrainable_node_behavior: Option<UndrainableArg>,
    /// Nodes that may be quarantined before the run stops [default: 1]
    #[arg(long, env = "MNGUP_MAX_QUARANTINED", hide_env = true, value_name = "N")]
    #[arg(value_parser = values::count, allow_hyphen_values = true, help_heading = "When it does not work out")]
    pub max_quarantined: Option<u32>,
}

/// `--order`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// [`Order::Zone`]
    Zone,
    /// [`Order::Oldest`]
    Oldest,
    /// [`Order::Newest`]
    Newest,
    /// [`Order::Name`]
    Name,
}

/// `--undrainable-node-behavior`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UndrainableArg {
    /// [`Undrainable::Stop`]
    Stop,
    /// [`Undrainable::Quarantine`]
    Quarantine,
}

impl PolicyArgs {
    /// The settings that these flags and variables make.
    ///
    /// # Errors
    /// When two of them cannot both be meant; nothing has been read or touched then.
    pub fn settings(&self) -> Result<Settings, CliError> {
        if let Some(node) = self.node.iter().find(|node| node.is_empty() || node.contains('/')) {
            return Err(CliError::usage(format!("--node \"{node}\" is not the name of a node"))
                .next("write it as kubectl get nodes does: --node ip-10-0-1-7.eu-west-1.compute.internal"));
        }
        let settings = Settings {
            max_unavailable: self.max_unavailable,
            max_surge: self.max_surge,
            node_interval: self.node_interval,
            all_nodes: self.all_nodes,
            only: Some(self.node.iter().map(NodeName::new).collect()).filter(|_| !self.node.is_empty()),
            order: self.order.map(|order| match order {
                OrderArg::Zone => Order::Zone,
                OrderArg::Oldest => Order::Oldest,
                OrderArg::Newest => Order::Newest,
                OrderArg::Name => Order::Name,
            }),
            drain_timeout: self.drain_timeout,
            force: self.force,
            delete_unmanaged: self.delete_unmanaged,
            disable_eviction: self.disable_eviction,
            grace_period: self.grace_period,
            max_grace_period: self.max_grace_period,
            skip_wait_for_delete: self.skip_wait_for_delete_timeout,
            post_drain_delay: self.post_drain_delay,
            replacement_timeout: self.replacement_timeout,
            undrainable: self.undrainable_node_behavior.map(|what| match what {
                UndrainableArg::Stop => Undrainable::Stop,
                UndrainableArg::Quarantine => Undrainable::Quarantine,
            }),
            max_quarantined: self.max_quarantined,
        };
        // With what a run remembers they are checked once more.
        settings.over(&Policy::default()).check().map_err(CliError::from)?;
        Ok(settings)
    }
}

impl From<Contradiction> for CliError {
    fn from(contradiction: Contradiction) -> Self {
        Self::usage(contradiction.to_string()).next(contradiction.remedy())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use insta::assert_snapshot;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        policy: PolicyArgs,
    }

    fn settings(line: &str) -> Result<Settings, CliError> {
        let words = std::iter::once("mngup").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).policy.settings()
    }

    fn policy(line: &str) -> Result<Policy, CliError> {
        settings(line).map(|settings| settings.over(&Policy::default()))
    }

    #[test]
    fn without_a_flag_nothing_is_said() {
        assert_eq!(settings("").unwrap(), Settings::default());
    }

    #[test]
    fn a_switch_is_given_taken_back_or_not_mentioned() {
        assert_eq!(settings("--force").unwrap().force, Some(true));
        assert_eq!(settings("--force=false").unwrap().force, Some(false));
        assert_eq!(settings("").unwrap().force, None);
    }

    #[test]
    fn the_words_of_settings_are_read_as_those_settings() {
        let line = "--max-unavailable 25% --max-surge 2 --node-interval 1500ms --all-nodes --node a --node b
            --order newest --drain-timeout 61m --force=false --grace-period 30 --max-grace-period 120
            --skip-wait-for-delete-timeout 45s --post-drain-delay 0s --undrainable-node-behavior quarantine
            --max-quarantined 3";
        let given = settings(line).unwrap();
        assert_eq!(given.words(), line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(policy(&policy(line).unwrap().words().join(" ")).unwrap(), policy(line).unwrap());
    }

    #[test]
    fn every_flag_lands_where_it_belongs() {
        let read = policy(
            "--max-unavailable 25% --max-surge 2 --node-interval 5s --all-nodes --node a --node b,c --order newest
             --drain-timeout 1h30m --force --delete-unmanaged --disable-eviction --grace-period 30
             --max-grace-period 2m --skip-wait-for-delete-timeout 45 --post-drain-delay 0s --replacement-timeout 20m
             --undrainable-node-behavior quarantine --max-quarantined 3",
        )
        .unwrap();
        let expected = Policy {
            max_unavailable: Some(IntOrPercent::Percent(25)),
            max_surge: Some(IntOrPercent::Int(2)),
            drain_timeout: Duration::from_mins(90),
            force: true,
            post_drain_delay: Duration::ZERO,
            replacement_timeout: Duration::from_mins(20),
            grace_period: Some(30),
            max_grace_period: Some(120),
            delete_unmanaged: true,
            disable_eviction: true,
            skip_wait_for_delete: Some(Duration::from_secs(45)),
            undrainable: Undrainable::Quarantine,
            max_quarantined: 3,
            all_nodes: true,
            only: ["a", "b", "c"].map(NodeName::from).into(),
            order: Order::Newest,
            node_interval: Duration::from_secs(5),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_way_out() {
        let refused = |line| policy(line).unwrap_err().to_string();
        assert_snapshot!(refused("--max-unavailable 0 --max-surge 0"), @"
        error: --max-unavailable 0 without a surge: no node may be out, and none comes instead of it
          Next: add --max-surge 1, or let one node be out
        ");
        assert_snapshot!(refused("--max-unavailable 0% --max-surge 0"), @"
        error: --max-unavailable 0% without a surge: no node may be out, and none comes instead of it
          Next: add --max-surge 1, or let one node be out
        ");
        assert_snapshot!(refused("--undrainable-node-behavior quarantine --max-quarantined 0"), @"
        error: --undrainable-node-behavior quarantine with --max-quarantined 0
          Next: allow at least one, or take --undrainable-node-behavior stop
        ");
        assert_snapshot!(refused("--grace-period 60 --max-grace-period 30s"), @"
        error: --grace-period 60s is above --max-grace-period 30s
          Next: give one of the two
        ");
        assert_snapshot!(refused("--node node/ip-10-0-1-7"), @r#"
        error: --node "node/ip-10-0-1-7" is not the name of a node
          Next: write it as kubectl get nodes does: --node ip-10-0-1-7.eu-west-1.compute.internal
        "#);
        assert!(policy("--max-unavailable 0 --max-surge 1").is_ok());
        // There is a surge by default.
        assert!(policy("--max-unavailable 0").is_ok());
    }
}
