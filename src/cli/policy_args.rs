//! Flags that say how a run goes, and the policy that they make.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{error::CliError, values};
use crate::domain::{IntOrPercent, NodeName, Order, Policy, Undrainable};

/// How a run goes.
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
    /// The least time between two nodes' turns
    #[arg(long, env = "MNGUP_NODE_INTERVAL", hide_env = true, value_name = "TIME", default_value = "0s")]
    #[arg(value_parser = values::span, allow_hyphen_values = true)]
    pub node_interval: Duration,

    /// Replace nodes that are not old too (kops calls this --force)
    #[arg(long, env = "MNGUP_ALL_NODES", hide_env = true, value_parser = values::switch)]
    #[arg(help_heading = "Which nodes")]
    pub all_nodes: bool,
    /// Only this node; may be given more than once
    #[arg(long, env = "MNGUP_NODE", hide_env = true, value_name = "NAME", value_delimiter = ',')]
    #[arg(help_heading = "Which nodes")]
    pub node: Vec<String>,
    /// Which node first: zone keeps the zones even (oldest first within one), oldest, newest, name
    #[arg(long, env = "MNGUP_ORDER", hide_env = true, value_name = "ORDER", default_value = "zone")]
    #[arg(hide_possible_values = true, help_heading = "Which nodes")]
    pub order: OrderArg,

    /// How long the pods of a node may take to leave
    #[arg(long, env = "MNGUP_DRAIN_TIMEOUT", hide_env = true, value_name = "TIME", default_value = "15m")]
    #[arg(value_parser = values::some_span, allow_hyphen_values = true, help_heading = "Draining")]
    pub drain_timeout: Duration,
    /// When the drain timeout runs out, delete the pods that are left, whatever their budgets say (as EKS does)
    #[arg(long, env = "MNGUP_FORCE", hide_env = true, value_parser = values::switch, help_heading = "Draining")]
    pub force: bool,
    /// Remove pods that no controller brings back (kubectl calls this --force)
    #[arg(long, env = "MNGUP_DELETE_UNMANAGED", hide_env = true, value_parser = values::switch)]
    #[arg(help_heading = "Draining")]
    pub delete_unmanaged: bool,
    /// Delete at once instead of evict, which ignores every budget
    #[arg(long, env = "MNGUP_DISABLE_EVICTION", hide_env = true, value_parser = values::switch)]
    #[arg(help_heading = "Draining")]
    pub disable_eviction: bool,
    /// Seconds (or a time) that replace every pod's own grace period [default: the pod's own]
    #[arg(long, env = "MNGUP_GRACE_PERIOD", hide_env = true, value_name = "TIME", value_parser = values::grace)]
    #[arg(allow_hyphen_values = true, help_heading = "Draining")]
    pub grace_period: Option<u32>,
    /// Seconds (or a time) that cap every pod's own grace period [default: no cap]
    #[arg(long, env = "MNGUP_MAX_GRACE_PERIOD", hide_env = true, value_name = "TIME", value_parser = values::grace)]
    #[arg(allow_hyphen_values = true, help_heading = "Draining")]
    pub max_grace_period: Option<u32>,
    /// No longer wait for pods that were to be gone so long ago; 0 waits for them
    #[arg(long, env = "MNGUP_SKIP_WAIT_FOR_DELETE_TIMEOUT", hide_env = true, value_name = "TIME")]
    #[arg(default_value = "0s", value_parser = values::seconds_or_span, allow_hyphen_values = true, help_heading = "Draining")]
    pub skip_wait_for_delete_timeout: Duration,

    /// Between the last pod and the termination, so that load balancers let go of the node
    #[arg(long, env = "MNGUP_POST_DRAIN_DELAY", hide_env = true, value_name = "TIME", default_value = "60s")]
    #[arg(value_parser = values::span, allow_hyphen_values = true, help_heading = "Replacing")]
    pub post_drain_delay: Duration,
    /// How long a replacement may take until it serves
    #[arg(long, env = "MNGUP_REPLACEMENT_TIMEOUT", hide_env = true, value_name = "TIME", default_value = "15m")]
    #[arg(value_parser = values::some_span, allow_hyphen_values = true, help_heading = "Replacing")]
    pub replacement_timeout: Duration,

    /// When a node cannot be drained: stop (uncordon it, end the run) or quarantine (leave it cordoned, go on)
    #[arg(long, env = "MNGUP_UNDRAINABLE_NODE_BEHAVIOR", hide_env = true, value_name = "WHAT")]
    #[arg(default_value = "stop", hide_possible_values = true, help_heading = "When it does not work out")]
    pub undrainable_node_behavior: UndrainableArg,
    /// Nodes that may be quarantined before the run stops
    #[arg(long, env = "MNGUP_MAX_QUARANTINED", hide_env = true, value_name = "N", default_value = "1")]
    #[arg(value_parser = values::count, allow_hyphen_values = true, help_heading = "When it does not work out")]
    pub max_quarantined: u32,
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
    /// The policy that these flags make.
    ///
    /// # Errors
    /// When two of them cannot both be meant; nothing has been read or touched then.
    pub fn policy(&self) -> Result<Policy, CliError> {
        self.check()?;
        Ok(Policy {
            max_unavailable: self.max_unavailable,
            max_surge: self.max_surge,
            drain_timeout: self.drain_timeout,
            force: self.force,
            post_drain_delay: self.post_drain_delay,
            replacement_timeout: self.replacement_timeout,
            grace_period: self.grace_period,
            max_grace_period: self.max_grace_period,
            delete_unmanaged: self.delete_unmanaged,
            disable_eviction: self.disable_eviction,
            skip_wait_for_delete: Some(self.skip_wait_for_delete_timeout).filter(|timeout| !timeout.is_zero()),
            undrainable: match self.undrainable_node_behavior {
                UndrainableArg::Stop => Undrainable::Stop,
                UndrainableArg::Quarantine => Undrainable::Quarantine,
            },
            max_quarantined: self.max_quarantined,
            all_nodes: self.all_nodes,
            only: self.node.iter().map(NodeName::new).collect(),
            order: match self.order {
                OrderArg::Zone => Order::Zone,
                OrderArg::Oldest => Order::Oldest,
                OrderArg::Newest => Order::Newest,
                OrderArg::Name => Order::Name,
            },
            node_interval: self.node_interval,
        })
    }

    fn check(&self) -> Result<(), CliError> {
        let nothing = |said| matches!(said, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
        // The surge that a group gets by itself may be 0 (MINIMAL) and may not be had (capacity): who takes every
        // other way away has to ask for it.
        if let Some(said) = self.max_unavailable.filter(|said| nothing(*said))
            && self.max_surge.is_none_or(nothing)
        {
            let message =
                format!("--max-unavailable {said} without a surge: no node may be out, and none comes in its stead");
            return Err(CliError::usage(message).next("add --max-surge 1, or let one node be out"));
        }
        if self.undrainable_node_behavior == UndrainableArg::Quarantine && self.max_quarantined == 0 {
            return Err(CliError::usage("--undrainable-node-behavior quarantine with --max-quarantined 0")
                .next("allow at least one, or take --undrainable-node-behavior stop"));
        }
        if let (Some(grace), Some(cap)) = (self.grace_period, self.max_grace_period)
            && grace > cap
        {
            return Err(CliError::usage(format!("--grace-period {grace}s is above --max-grace-period {cap}s"))
                .next("give one of the two"));
        }
        if let Some(node) = self.node.iter().find(|node| node.is_empty() || node.contains('/')) {
            return Err(CliError::usage(format!("--node \"{node}\" is not the name of a node"))
                .next("write it as kubectl get nodes does: --node ip-10-0-1-7.eu-west-1.compute.internal"));
        }
        Ok(())
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

    fn policy(line: &str) -> Result<Policy, CliError> {
        let words = std::iter::once("mngup").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).policy.policy()
    }

    #[test]
    fn without_a_flag_it_is_the_default_policy() {
        assert_eq!(policy("").unwrap(), Policy::default());
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
        assert_snapshot!(refused("--max-unavailable 0"), @"
        error: --max-unavailable 0 without a surge: no node may be out, and none comes in its stead
          Next: add --max-surge 1, or let one node be out
        ");
        assert_snapshot!(refused("--max-unavailable 0% --max-surge 0"), @"
        error: --max-unavailable 0% without a surge: no node may be out, and none comes in its stead
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
    }
}
