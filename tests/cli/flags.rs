//! Mistakes that the command line alone shows.

use insta::assert_snapshot;

use crate::mngup;

#[test]
fn a_percentage_above_everything() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --max-unavailable 101%"), @r#"
    2> error: invalid value '101%' for '--max-unavailable <N|N%>': "101%" is more than everything: a percentage is 0% to 100%
    2>
    2> For more information, try '--help'.
    [2]
    "#);
}

#[test]
fn two_groups() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --asg workers --yes"), @"
    2> error: --nodegroup apps and --asg workers name two groups
    2>   Next: give one of them
    [2]
    ");
}

#[test]
fn no_cluster_and_no_group() {
    assert_snapshot!(mngup("upgrade"), @"
    2> error: which cluster, and which group? --cluster and --nodegroup (or --asg) are missing
    2>   Next: mngup upgrade -c CLUSTER -n NODEGROUP
    2>     or: mngup upgrade --sandbox   # a simulated cluster, to see how it goes
    [2]
    ");
    assert_snapshot!(mngup("status -c prod"), @"
    2> error: which group? --nodegroup (or --asg) is missing
    2>   Next: mngup status -c prod -n NODEGROUP
    [2]
    ");
}

#[test]
fn nothing_may_move() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --max-unavailable 0 --max-surge 0 --yes"), @"
    2> error: --max-unavailable 0 without a surge: no node may be out, and none comes instead of it
    2>   Next: add --max-surge 1, or let one node be out
    [2]
    ");
}

#[test]
fn a_time_without_a_unit() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --drain-timeout 15"), @"
    2> error: invalid value '15' for '--drain-timeout <TIME>': 15 of what? Write 15s or 15m
    2>
    2> For more information, try '--help'.
    [2]
    ");
}

#[test]
fn nobody_to_say_yes() {
    assert_snapshot!(mngup("upgrade -c prod -n apps"), @"
    2> error: nobody is here to say yes: this is not a terminal
    2>   Next: mngup upgrade -c prod -n apps --yes
    2>     or: mngup upgrade -c prod -n apps --dry-run   # to see what it would do
    [2]
    ");
    assert_snapshot!(mngup("abort -c prod -n apps"), @"
    2> error: nobody is here to say yes: this is not a terminal
    2>   Next: mngup abort -c prod -n apps --yes
    2>     or: mngup abort -c prod -n apps --dry-run   # to see what it would do
    [2]
    ");
}

#[test]
fn a_sandbox_and_a_cluster() {
    assert_snapshot!(mngup("upgrade --sandbox -c prod"), @"
    2> error: --cluster with --sandbox, which brings a cluster of its own
    2>   Next: leave one of them out
    [2]
    ");
}
